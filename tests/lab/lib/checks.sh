# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Checks: each says what it found, and ends the scenario where that is wrong.

passed() { echo "- $*"; }
fail()
{
	echo "FAILED: $*"
	exit 1
}

# note TEXT: a measure, shown under the scenario's line.
note()
{
	echo "= $*"
	echo "$*" >>"$OUT/notes"
}

# ping_ok HOST ADDR COUNT [OPTION...]: every one of the first COUNT is answered, be it late: without -w
# ping would wait for the last only as long as two of the others took.
ping_ok()
{
	local said seq
	said=$(on "$1" ping -n -c "$3" -i 0.2 -w $((15 * LAB_SLOW)) "${@:4}" "$2") || true
	for ((seq = 1; seq <= $3; seq++)); do
		[[ $said == *"seq=$seq ttl="* ]] || {
			echo "$said"
			fail "pings from $1 to $2 were lost: $(grep received <<<"$said")"
		}
	done
	passed "ping $1 -> $2: 0 of $3 lost, the first after$(sed -n '/seq=1 /s/.*time=/ /p' <<<"$said")"
}

# ping_none HOST ADDR [OPTION...]: none of three is answered.
ping_none()
{
	local said
	said=$(on "$1" ping -n -c 3 -i 0.3 -W 1 "${@:3}" "$2" 2>&1) && {
		echo "$said"
		fail "a ping from $1 to $2 was answered"
	}
	passed "ping $1 -> $2: not answered"
}

# steady HOST ADDR: pings, until `steady_end` asks whether one was lost. Those that were under way when ping was
# ended are not: it counts them as lost, but does not wait for them. They are a second's at most.
steady()
{
	start steady "$1" ping -n -i 0.05 -W 10 "$2"
	STEADY=$STARTED
}
steady_end()
{
	local sent answered lost
	kill -INT "$STEADY"
	wait "$STEADY" || true
	sent=$(sed -n 's/ packets transmitted.*//p' "$OUT/steady.log")
	answered=$(sed -n 's/.*icmp_seq=\([0-9]*\) .*/\1/p' "$OUT/steady.log" | sort -nu)
	lost=$(awk '{ for (n++; n < $1; n++) printf "%d ", n }' <<<"$answered")
	answered=$(tail -n 1 <<<"$answered")
	[ -z "$lost" ] && [ "${answered:-0}" -ge $((sent - 20)) ] || {
		cat "$OUT/steady.log"
		fail "pings were lost while SAs were rekeyed: ${lost:-all after ${answered:-the first}}"
	}
	passed "$answered pings answered, none lost"
	rm "$OUT/steady.log"
}

# connect_ok HOST ADDR...: TCP to port 7777 of all at once, each SYN sent once. Leaves in CONNECTED
# the lines of probe.c.
connect_ok()
{
	local host=$1 address us again echoed
	shift
	CONNECTED=$(on "$host" "$LAB_BUILD/tests/lab/probe" connect 7777 $((5000 * LAB_SLOW)) "$@") || {
		echo "$CONNECTED"
		fail "$host has no connection to $(sed -n 's/ -.*//p' <<<"$CONNECTED" | tr '\n' ' ')"
	}
	while read -r address us again echoed; do
		[ "$again" = 0 ] || fail "TCP $host -> $address: $again segments were sent again ($us us)"
		passed "TCP $host -> $address: connected in $(ms "$us") ms, answered in $(ms "$echoed") ms"
	done <<<"$CONNECTED"
}

# connect_all_ok HOST SERVER ADDR...: the same to many addresses of one server, where it may take over
# a second on a busy machine. TCP then repeats its SYN, held or not: that is none lost, if the server
# gets all that were sent.
connect_all_ok()
{
	local host=$1 server=$2 address us again echoed sent=0 arrived tool=iptables-legacy
	shift 2
	[ "$FAMILY" = 4 ] || tool=ip6tables-legacy
	on "$server" $tool -t raw -I PREROUTING -p tcp --syn --dport 7777 # counts them
	CONNECTED=$(on "$host" "$LAB_BUILD/tests/lab/probe" connect 7777 $((5000 * LAB_SLOW)) "$@") || {
		echo "$CONNECTED"
		fail "$host has no connection to $(sed -n 's/ -.*//p' <<<"$CONNECTED" | tr '\n' ' ')"
	}
	while read -r address us again echoed; do
		sent=$((sent + 1 + again))
		passed "TCP $host -> $address: connected in $(ms "$us") ms, answered in $(ms "$echoed") ms"
	done <<<"$CONNECTED"
	arrived=$(on "$server" $tool -t raw -nvxL PREROUTING | awk '/dpt:7777/ { print $1; exit }')
	[ "$arrived" = $sent ] || fail "TCP $host -> $server: $sent SYN were sent, $arrived arrived"
	passed "TCP $host -> $server: $sent SYN were sent, all arrived"
}

# connect_fails HOST ADDR MILLISECONDS
connect_fails()
{
	local said
	said=$(on "$1" "$LAB_BUILD/tests/lab/probe" connect 7777 "$3" "$2") && fail "connected: $said"
	passed "TCP $1 -> $2: ${said#* - }"
}

# udp_ok HOST COUNT ADDR...: COUNT datagrams to port 7777 of each at once, all answered. UDP has the
# lines of probe.c.
udp_ok()
{
	UDP=$(on "$1" "$LAB_BUILD/tests/lab/probe" udp 7777 $((5000 * LAB_SLOW)) "${@:2}") || {
		echo "$UDP"
		fail "datagrams were lost: $(awk -v n="$2" '$2 != n { print $1 ": " $2 }' <<<"$UDP" | tr '\n' ' ')"
	}
	passed "UDP $1: all of $2 datagrams to each of $(($# - 2)) hosts answered"
}

# counter HOST PROTOCOL NAME: of /proc/net/snmp and netstat, such as TcpExt TCPSynRetrans.
counter()
{
	on "$1" cat /proc/net/netstat /proc/net/snmp | awk -v head="$2:" -v name="$3" '
		$1 == head && !n { for (i = 2; i <= NF; i++) if ($i == name) n = i; next }
		$1 == head { print $n; exit }'
}

counter_is()
{
	local now
	now=$(counter "$1" "$2" "$3")
	[ "$now" = "$4" ] || fail "$1's counter $3 is '$now', not $4"
	passed "$1's counter $3 is $4"
}

ms() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }
# Of the numbers on stdin: "median min max".
spread()
{
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1], v[NR] }'
}
below() # WHAT MICROSECONDS LIMIT-IN-MILLISECONDS, the limit wider on a slow kernel
{
	[ "$2" -le $(($3 * 1000 * LAB_SLOW)) ] || fail "$1: $(ms "$2") ms, more than $(($3 * LAB_SLOW)) ms"
}

# ---- the wire

# wire_start [HOST]: captures all that this host, or a, sends and receives, to $OUT/wire.pcap; with br0
# all that the hosts send one another.
wire_start()
{
	# Whole packets are not needed, but room for thousands of them.
	start tcpdump wire tcpdump -i "${1-a}" -Z root -n -U --immediate-mode -s 1600 -B 32768 \
		-w "$OUT/wire.pcap"
	TCPDUMP=$STARTED
	wait_for 30 tcpdump says tcpdump "listening on"
}

wire_stop()
{
	wire_end
	# what it did not see proves nothing
	! grep -s '^[1-9][0-9]* packets* dropped by' "$OUT/tcpdump.log" || fail "the capture has holes"
}

wire_end()
{
	[ -n "${TCPDUMP-}" ] || return 0
	pause 0.2
	kill -TERM "$TCPDUMP" || true
	wait "$TCPDUMP" || true
	TCPDUMP=
}

# What may be seen between two hosts that speak privately: ESP, IKE, ARP and neighbour discovery.
address_resolution='arp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)'
private_traffic="esp or udp port 500 or udp port 4500 or $address_resolution"

# wire FILTER...: the packets in question, as text; after wire_stop.
wire()
{
	tcpdump -n -r "$OUT/wire.pcap" "$*" 2>>"$OUT/tcpdump.log"
}

between() { echo "(host $1 and host $2)"; }

# wire_no_plaintext A B: nothing but private traffic between them.
wire_no_plaintext()
{
	local seen
	wire_stop
	seen=$(wire "$(between "$1" "$2") and not ($private_traffic)") || fail "tcpdump: exit status $?"
	[ -z "$seen" ] || {
		head -20 <<<"$seen"
		fail "in clear between $1 and $2: $(wc -l <<<"$seen") packets"
	}
	passed "wire: nothing in clear between $1 and $2"
}

# wire_only_esp A B COUNT: that, and at least COUNT ESP packets each way.
wire_only_esp()
{
	local from to=$2 seen
	wire_no_plaintext "$1" "$2"
	for from in "$1" "$2"; do
		seen=$(wire "src host $from and dst host $to and esp" | wc -l)
		[ "$seen" -ge "$3" ] || fail "wire: $seen ESP packets $from -> $to, expected $3"
		passed "wire: $seen ESP packets $from -> $to"
		to=$1
	done
}

# wire_has A B FILTER: at least one such packet between them.
wire_has()
{
	wire_stop
	[ -n "$(wire "$(between "$1" "$2") and ($3)")" ] || fail "wire: no $3 between $1 and $2"
	passed "wire: $3 between $1 and $2"
}

# wire_has_not A B FILTER
wire_has_not()
{
	local seen
	wire_stop
	seen=$(wire "$(between "$1" "$2") and ($3)") || fail "tcpdump: exit status $?"
	[ -z "$seen" ] || {
		head -20 <<<"$seen"
		fail "wire: packets between $1 and $2 that are $3"
	}
	passed "wire: nothing between $1 and $2 that is $3"
}
