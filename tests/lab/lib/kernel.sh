#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the lab needs of a kernel.

# The crypto modules test themselves when they are first used, which takes seconds in a guest: that
# shall not count as time of the first peer.
esp_works() # in the network namespace of the caller
{
	local key=0x
	key+=$(printf '01%.0s' {1..36})
	ip xfrm state add src 198.18.0.1 dst 198.18.0.2 proto esp spi 0x1000 mode transport \
		aead 'rfc4106(gcm(aes))' "$key" 128 &&
	ip xfrm state add src 2001:2::1 dst 2001:2::2 proto esp spi 0x1001 mode transport \
		aead 'rfc7539esp(chacha20,poly1305)' "$key" 128
}

# A packet can be held: NFQUEUE, by nftables or by iptables.
hold_works()
{
	nft 'add table inet t; add chain inet t c { type filter hook output priority -300; };
		add rule inet t c oifname "lo" queue num 7' 2>/dev/null ||
		iptables-legacy -t raw -A OUTPUT -o lo -j NFQUEUE --queue-num 7
}

# Loads what is not loaded on demand, and proves that it works.
kernel_prepare()
{
	# The ciphers by name: the kernel would call modprobe for each guess at what it needs.
	modprobe -a xfrm_user esp4 esp6 veth bridge sch_netem nfnetlink_queue \
		gcm ctr ghash_generic seqiv echainiv \
		chacha20poly1305 chacha_generic poly1305_generic \
		cbc authenc authencesn hmac sha256_generic sha512_generic af_key 2>/dev/null || true
	modprobe -a nft_queue nft_fib_inet 2>/dev/null ||
		modprobe -a ip_tables ip6_tables iptable_raw ip6table_raw iptable_security \
			ip6table_security xt_NFQUEUE xt_addrtype xt_mark 2>/dev/null
	unshare --net "${BASH_SOURCE[0]}" try || {
		echo "# this kernel ($(uname -r)) lacks ESP, its ciphers or NFQUEUE" >&2
		return 1
	}
}

# Executed, not sourced: whether the kernel will do. "try": in this very namespace.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	if [ "${1-}" = try ]; then esp_works && hold_works; else kernel_prepare; fi
fi
