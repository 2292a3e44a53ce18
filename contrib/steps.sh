# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Where a long command is: "step 3 of 7 (0:12): build". Sourced by demo, check and what runs for them
# inside a guest, which goes on counting where the caller stands (STEP, STEPS, STEPS_SINCE).

STEPS_SINCE=${STEPS_SINCE:-$EPOCHSECONDS}
STEP=${STEP:-0}

step()
{
	local seconds=$((EPOCHSECONDS - STEPS_SINCE))
	STEP=$((STEP + 1))
	printf '\n== step %d of %d (%d:%02d): %s\n' "$STEP" "$STEPS" \
		$((seconds / 60)) $((seconds % 60)) "$*"
}

# quietly LOG COMMAND...: shows nothing unless it fails, then the end of its output.
quietly()
{
	local log=$1 status=0
	shift
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null || status=$?
	[ $status = 0 ] || {
		tail -n 30 "$log"
		echo "failed: $* (exit status $status); all of its output is in $log"
		return $status
	}
}

# build_tree TOP BUILD TARGETS [CONFIGURE-OPTION...]: what is up to date costs a second.
build_tree()
{
	local top=$1 build=$2 targets=$3 target
	shift 3
	mkdir -p "$build"
	[ -x "$top/configure" ] || quietly "$build/autoreconf.log" autoreconf -fi "$top"
	[ -x "$build/config.status" ] ||
		(cd "$build" && quietly configure.log "$(realpath --relative-to=. "$top")/configure" "$@")
	for target in $targets; do # in turn: "all" runs a make of its own
		quietly "$build/make-$target.log" make -C "$build" -j"$(nproc)" "$target"
	done
}
