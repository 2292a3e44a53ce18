# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Agents: oed on a host, and what it says about its peers.

AGENTS=()
export OED_UID_BASE=64900 # users by number: none is made

oed_conf() { echo "$RUN/$1/conf"; }
oed_run() { echo "$RUN/$1/run"; }
oectl() { on "$1" "$LAB_BUILD/oectl" -r "$(oed_run "$1")" "${@:2}"; }

# agent HOST WORD...: configures oed and starts it, and waits until its traps stand. Words:
#	key=NAME           a private key of the lab
#	GROUP[=PREFIX]     a line in that policy; all hosts where no prefix is given
#	SECTION.KEY=VALUE  a setting of oed.conf
agent()
{
	agent_configure "$@"
	agent_start "$1"
}

agent_configure()
{
	local host=$1 word conf
	conf=$(oed_conf "$host")
	shift
	mkdir -p "$conf/policies" "$conf/keys" "$(oed_run "$host")"
	chmod 755 "$RUN" "$RUN/$host" "$conf"
	# Services that have left root behind read it: a checkout may be closed to them.
	cp "$LAB_OUT/zones/root.key" "$conf/root.key"
	printf '%s\n' '[dns]' "trust-anchor-file = $conf/root.key" >"$conf/oed.conf"
	[[ "$*" == *dns.forwarders=* ]] || echo "forwarders = $(dns_address)" >>"$conf/oed.conf"
	[[ "$*" == *oed.log-level=* ]] || printf '[oed]\nlog-level = debug\n' >>"$conf/oed.conf"
	for word; do
		case $word in
		key=*) install -m 600 "$LAB_OUT/zones/keys/${word#*=}.pem" "$conf/keys/" ;;
		*.*=*) setting "$word" >>"$conf/oed.conf" ;;
		*=*) echo "${word#*=}" >>"$conf/policies/${word%%=*}" ;;
		*) all_hosts >>"$conf/policies/$word" ;;
		esac
	done
}

# agent_x509 HOST CERT NAME=ADDR...: peers by hand, before it starts: each shows a certificate for
# NAME.example.org that leads to the lab's root; ours is CERT.
agent_x509()
{
	local conf word
	conf=$(oed_conf "$1")
	mkdir -p "$conf/peers.d" "$conf/certs"
	cp "$LAB_OUT"/zones/certs/{root,"$2"}.pem "$conf/certs/"
	for word in "${@:3}"; do
		printf '%s\n' "[peer ${word%%=*}]" "address = ${word#*=}" \
			"peer-identity = ${word%%=*}.example.org" "auth = x509" \
			"ca = certs/root.pem" "certificate = certs/$2.pem" >>"$conf/peers.d/x509.conf"
	done
}

setting() # SECTION.KEY=VALUE
{
	local key=${1%%=*}
	printf '[%s]\n%s = %s\n' "${key%%.*}" "${key#*.}" "${1#*=}"
}

agent_start()
{
	agent_launch "$1"
	agent_await "$1"
}

agent_launch()
{
	READY[$1]=$(readies "$1")
	start "oed-$1" "$1" "$LAB_BUILD/oed" --config "$(oed_conf "$1")" --run "$(oed_run "$1")"
	AGENTS+=("$1")
}

agent_await()
{
	wait_for 20 "oed on $1" agent_ready "$1"
	oectl "$1" status >/dev/null || fail "oed on $1 does not answer"
}

# Its traps stand: it says so at each start.
declare -A READY
agent_ready() { [ "$(readies "$1")" -gt "${READY[$1]}" ]; }

# readies HOST: how often its agent has said so.
readies()
{
	local line n=0
	[ -e "$OUT/oed-$1.log" ] || : >"$OUT/oed-$1.log"
	while read -r line; do
		[[ $line != "oed: ready"* ]] || n=$((n + 1))
	done <"$OUT/oed-$1.log"
	echo $n
}

# agent_pids HOST TITLE: of the processes that ps shows under that title ("oed", "oed: ike" ...).
agent_pids()
{
	local pid words
	for pid in $(ip netns pids "$1"); do
		read -r -d '' words <"/proc/$pid/cmdline" || true
		[ "$words" != "$2" ] || echo "$pid"
	done 2>/dev/null
}

explain() { oectl "$1" explain "$2"; }

# state_is HOST STATE ADDR: within 5 s.
state_is()
{
	local until=$((SECONDS + 5 * LAB_SLOW)) said
	until said=$(oectl "$1" explain --json "$3") && [[ $said =~ \"state\":\ *\"$2\" ]]; do
		if [ $SECONDS -ge $until ]; then
			echo "$said"
			fail "$1 says that $3 is $(sed -n 's/.*"state": *"\([A-Z]*\)".*/\1/p' <<<"$said"), not $2"
		fi
		pause 0.1
	done
	passed "$1 says that $3 is $2"
}

# explained HOST ADDR REASON TEXT...: the explanation gives that reason, and its text has every TEXT.
explained()
{
	local host=$1 address=$2 reason=$3 said text
	shift 3
	said=$(oectl "$host" explain --json "$address") || true
	[[ $said =~ \"reason\":\ *\"$reason\" ]] || {
		echo "$said"
		fail "$host's explanation of $address lacks the reason $reason"
	}
	said=$(explain "$host" "$address") || fail "explain $address: exit status $?"
	echo "$said" | sed 's/^/    | /'
	for text; do
		grep -qi -e "$text" <<<"$(tr -s ' \n' ' ' <<<"$said")" || # it wraps lines
			fail "$host's explanation of $address lacks '$text'"
	done
	passed "$host explains $address: $reason"
}

# record_is HOST NM KEY: the record that oectl would have published is the lab's own, made otherwise.
record_is()
{
	local want got
	want=$(cat "$LAB_OUT/zones/keys/$3.ipseckey")
	got=$(oectl "$1" key ipseckey "$(addr "$2")" --dir "$(oed_conf "$1")") ||
		fail "oectl key ipseckey: exit status $?"
	grep -qF "$(reverse_name "$2")" <<<"$got" || fail "not a record of $(reverse_name "$2"): $got"
	tr -d ' ()\n\t' <<<"$got" | grep -qF "${want//[ .]/}" ||
		tr -d ' ()\n\t' <<<"$got" | grep -qF "${want// /}" || fail "not the record '$want': $got"
	passed "oectl key ipseckey gives the $3 record"
}
