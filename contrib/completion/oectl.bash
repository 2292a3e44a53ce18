# SPDX-License-Identifier: BSD-2-Clause
# bash completion of oectl; to be installed as /usr/share/bash-completion/completions/oectl

# The addresses of the peers that the daemon has; none where it cannot be asked.
_oectl_peers()
{
	oectl --json peers 2>/dev/null | grep -o '"remote": *"[^"]*"' | cut -d '"' -f 4 | sort -u
}

_oectl()
{
	local types='ed25519 ed448 ecdsa-p256 ecdsa-p384 rsa-2048 rsa-3072 rsa-4096'
	local cur prev words cword given=() word skip=
	# with IPv6 addresses in one piece
	_get_comp_words_by_ref -n : cur prev words cword || return
	COMPREPLY=()

	case $prev in
	--update-key)
		compopt -o default
		return
		;;
	-r | --run | --dir)
		compopt -o dirnames
		return
		;;
	--type)
		mapfile -t COMPREPLY < <(compgen -W "$types" -- "$cur")
		return
		;;
	--name | --ttl | --precedence | --server)
		return
		;;
	esac

	# the command's words before the cursor, without options and their values
	for word in "${words[@]:1:cword-1}"; do
		if [[ $skip ]]; then
			skip=
		elif [[ $word == @(-r|--run|--dir|--type|--name|--ttl|--precedence|--update-key|--server) ]]; then
			skip=1
		elif [[ $word != -* ]]; then
			given+=("$word")
		fi
	done

	if [[ $cur == -* ]]; then
		local options='--run --json --help --version'
		case "${given[*]:0:2}" in
		'key generate') options='--json --dir --type --name' ;;
		'key show') options='--json --dir' ;;
		'key ipseckey') options='--json --dir --precedence --ttl --generic' ;;
		'key publish') options='--json --dir --precedence --ttl --update-key --server' ;;
		'key rollover') options='--json --dir --type --name --precedence --ttl --update-key --server
			--wait --force' ;;
		check) options='--json --dir' ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
	fi

	case "${given[*]}" in
	'')
		mapfile -t COMPREPLY < <(compgen -W 'status peers explain resolve hint policy up down forget reload trace
			stats key check' -- "$cur")
		;;
	'key rollover') mapfile -t COMPREPLY < <(compgen -W 'start continue abort' -- "$cur") ;;
	policy) mapfile -t COMPREPLY < <(compgen -W 'test show' -- "$cur") ;;
	key) mapfile -t COMPREPLY < <(compgen -W 'generate show ipseckey publish rollover' -- "$cur") ;;
	'policy test '*) mapfile -t COMPREPLY < <(compgen -W 'tcp udp icmp ipv6-icmp sctp' -- "$cur") ;;
	explain | resolve | up | down | forget | 'policy test')
		mapfile -t COMPREPLY < <(compgen -W "$(_oectl_peers)" -- "$cur")
		__ltrim_colon_completions "$cur"
		;;
	esac
}

complete -F _oectl oectl
