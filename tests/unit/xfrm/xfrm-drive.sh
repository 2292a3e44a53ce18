#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two hosts for xfrm-drive; run as root in a guest, the program as argument.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
for n in a b; do ip netns add $n; ip -n $n link set lo up; done
ip link add va netns a type veth peer name vb netns b
ip -n a addr add 192.0.2.1/24 dev va
ip -n b addr add 192.0.2.2/24 dev vb
ip -n a addr add 2001:db8::1/64 dev va nodad
ip -n b addr add 2001:db8::2/64 dev vb nodad
ip -n a link set va up
ip -n b link set vb up
ip -n a route add default via 192.0.2.2
ip -n a -6 route add default via 2001:db8::2
ip -n b route add local 10.0.0.0/8 dev lo
ip -n b -6 route add local 2001:db8:10::/48 dev lo
ip netns exec b sysctl -qw net.ipv6.ip_nonlocal_bind=1
sleep 1
exec "$@"
