# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
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

# Loads what is not loaded on demand, and proves that ESP works.
kernel_prepare()
{
	modprobe -a xfrm_user esp4 esp6 veth bridge sch_netem nfnetlink_queue 2>/dev/null
	modprobe -a nft_queue nft_fib_inet 2>/dev/null ||
		modprobe -a ip_tables ip6_tables iptable_raw ip6table_raw iptable_security \
			ip6table_security xt_NFQUEUE xt_addrtype xt_mark 2>/dev/null
	# shellcheck disable=SC2016
	unshare --net bash -c '. "$0"; esp_works' "$(dirname "${BASH_SOURCE[0]}")/kernel.sh" || {
		echo "# this kernel ($(uname -r)) has no ESP, or lacks its ciphers" >&2
		return 1
	}
}

# Whether the running kernel will do: ESP, and namespaces to keep it from the machine's own network.
kernel_of_host_works()
{
	(kernel_prepare) >/dev/null 2>&1
}
