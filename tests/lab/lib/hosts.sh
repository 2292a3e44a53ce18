# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Hosts: network namespaces on one bridge. Every host has IPv4 and IPv6; a scenario runs once with
# FAMILY=4 and once with FAMILY=6, and `addr N.M` is the address of that family.
#
#	a ---.                    the bridge is in a namespace of its own, "wire": its port "a" sees
#	b ---+--- wire            all that a sends and receives
#	dns -'
#
# Addresses are alike in both families: the host N.M is 198.18.N.M and 2001:2:0:N::M.

addr() { if [ "$FAMILY" = 4 ]; then echo "198.18.$1"; else echo "2001:2:0:${1%.*}::${1#*.}"; fi; }
host_prefix() { if [ "$FAMILY" = 4 ]; then echo "$1/32"; else echo "$1/128"; fi; }
all_hosts() { if [ "$FAMILY" = 4 ]; then echo 198.18.0.0/16; else echo 2001:2::/48; fi; }

# on HOST COMMAND...: runs a command there.
on() { nsenter "--net=/run/netns/$1" -- "${@:2}"; }

# lan HOST:N.M[,N.M...]...: makes the wire, the DNS server and these hosts; all addresses can be used
# when it returns. The first address of a host is the one it speaks from. (A command costs a guest
# 0.1 s: hence the batches.)
lan()
{
	local spec host list nm from
	{
		echo "netns add wire"
		for spec in dns:53.53 "$@"; do
			echo "netns add ${spec%%:*}"
		done
	} | ip -batch -
	{
		echo "link add name br0 type bridge mcast_snooping 0"
		echo "link set dev br0 up"
		for spec in dns:53.53 "$@"; do
			host=${spec%%:*}
			echo "link add name $host type veth peer name eth0 netns $host"
			echo "link set dev $host master br0 up"
		done
	} | ip -n wire -batch -
	for spec in dns:53.53 "$@"; do
		list=${spec#*:}
		{
			echo "link set dev lo up"
			echo "link set dev eth0 up"
			for nm in ${list//,/ }; do
				echo "addr add 198.18.$nm/16 dev eth0"
				echo "addr add 2001:2:0:${nm%.*}::${nm#*.}/48 dev eth0 nodad"
			done
			# Of several IPv6 addresses the kernel would take the last.
			from=${list%%,*}
			echo "route replace 2001:2::/48 dev eth0 proto kernel metric 1" \
				"src 2001:2:0:${from%.*}::${from#*.}"
		} | ip -n "${spec%%:*}" -batch -
	done
	dns_start
}

# The authoritative server of all zones, asked as a forwarder.
dns_start()
{
	cat >"$RUN/nsd.conf" <<-EOF2
	server:
		ip-address: 198.18.53.53
		ip-address: 2001:2:0:53::53
		username: ""
		zonesdir: ""
		pidfile: ""
		xfrdfile: ""
		zonelistfile: "$RUN/nsd.list"
		database: ""
		rrl-ratelimit: 0
		rrl-size: 64
		tcp-count: 10
		xfrd-tcp-max: 1
		xfrd-tcp-pipeline: 1
	remote-control:
		control-enable: no
	EOF2
	cat "$LAB_OUT/zones/nsd.zones" >>"$RUN/nsd.conf"
	start nsd dns "$(command -v nsd || echo "$lab/../../build/unpacked/usr/sbin/nsd")" -d -c "$RUN/nsd.conf"
	wait_for 20 "the DNS server" says nsd 'nsd started'
}

dns_address() { addr 53.53; }

# dns_delays: reads lines of "N.M MILLISECONDS": answers on these hosts' keys are held back for those
# who ask at the address `addr 53.54`.
dns_delays()
{
	local nm ms
	while read -r nm ms; do
		echo "$(reverse_name "$nm") $ms"
	done >"$RUN/delays"
	if [ "$FAMILY" = 4 ]; then
		ip -n dns addr add 198.18.53.54/16 dev eth0
	else
		ip -n dns addr add 2001:2:0:53::54/48 dev eth0 nodad
	fi
	start dnsdelay dns "$LAB_BUILD/tests/lab/dnsdelay" "$(addr 53.54)" "$(addr 53.53)" "$RUN/delays"
}

reverse_name()
{
	local net=${1%.*} m=${1#*.} i digits
	if [ "$FAMILY" = 4 ]; then
		echo "$m.$net.18.198.in-addr.arpa."
		return
	fi
	printf -v digits '200100020000%4s000000000000%4s' "$net" "$m"
	for ((i = 31; i >= 0; i--)); do
		printf '%s.' "${digits:i:1}"
	done | tr ' ' 0
	echo ip6.arpa.
}

# serve HOST: echo servers, TCP and UDP, on port 7777.
serve()
{
	start "serve-$1" "$1" "$LAB_BUILD/tests/lab/probe" serve 7777
	wait_for 10 "the echo server of $1" says "serve-$1" ready
}

# behind_nat GW INNER: makes a host INNER behind GW, which hides it behind its own address.
behind_nat()
{
	local command
	modprobe -a iptable_nat ip6table_nat xt_MASQUERADE 2>/dev/null || true
	ip netns add "$2"
	ip -n "$1" link add name inside type veth peer name eth0 netns "$2"
	ip -n "$2" link set lo up
	for command in "$1 addr add 198.19.0.1/24 dev inside" "$2 addr add 198.19.0.2/24 dev eth0" \
		"$1 addr add 2001:2:0:9999::1/64 dev inside nodad" \
		"$2 addr add 2001:2:0:9999::2/64 dev eth0 nodad" \
		"$1 link set inside up" "$2 link set eth0 up" \
		"$2 route add default via 198.19.0.1" \
		"$2 -6 route add default via 2001:2:0:9999::1"; do
		# shellcheck disable=SC2086
		ip -n $command
	done
	on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv6.conf.eth0.keep_addr_on_down=1
	masquerade "$1" -A POSTROUTING -o eth0 -j MASQUERADE
}

masquerade() # GW RULE...
{
	local tables=iptables
	[ "$FAMILY" = 4 ] || tables=ip6tables
	on "$1" $tables-legacy -t nat "${@:2}" 2>/dev/null || on "$1" $tables -t nat "${@:2}"
}

# nat_forgets GW: the NAT forgets what it knew (MASQUERADE does when its device goes down), and takes other
# ports.
nat_forgets()
{
	masquerade "$1" -I POSTROUTING -o eth0 -p udp -j MASQUERADE --to-ports 41000-41999
	on "$1" ip link set eth0 down
	on "$1" ip link set eth0 up
	[ "$FAMILY" = 4 ] || on "$1" ip -6 route replace 2001:2::/48 dev eth0
}

# The address of a host behind a NAT.
inner_addr() { if [ "$FAMILY" = 4 ]; then echo 198.19.0.2; else echo 2001:2:0:9999::2; fi; }

# narrow HOST ADDR: nothing longer than 576 bytes comes from there, and nobody is told why.
narrow()
{
	local tables=iptables
	[ "$FAMILY" = 4 ] || tables=ip6tables
	modprobe -a iptable_filter ip6table_filter xt_length 2>/dev/null || true
	set -- "$1" -A INPUT -s "$2" -m length --length 577: -j DROP
	on "$1" $tables-legacy "${@:2}" 2>/dev/null || on "$1" $tables "${@:2}"
}

# ---- processes and time

# start NAME HOST COMMAND...: there in the background, its output in $OUT/NAME.log. All end with the
# scenario. Leaves the process id in STARTED.
start()
{
	local name=$1 host=$2
	shift 2
	: >>"$OUT/$name.log"
	nsenter "--net=/run/netns/$host" -- "$@" >>"$OUT/$name.log" 2>&1 </dev/null &
	# shellcheck disable=SC2034
	STARTED=$!
}

# wait_for SECONDS WHAT COMMAND...: polls until the command succeeds, else the scenario fails.
wait_for()
{
	local until=$((SECONDS + $1 * LAB_SLOW)) what=$2
	shift 2
	until "$@"; do
		[ $SECONDS -lt $until ] || fail "waited in vain for $what"
		pause 0.02
	done
}

# says NAME TEXT: whether the log of what was started under that name has it.
says() { [[ $(<"$OUT/$1.log") == *"$2"* ]]; }

# pause SECONDS, without a command: each costs time in a guest.
exec {NEVER}<> <(:)
pause() { read -rt "$1" -u "$NEVER" || true; }
