# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Other IKE daemons on hosts of the lab. contrib/setup unpacks them; they see this machine's files
# with theirs laid over, and may write wherever they like: nothing of that is left behind.

declare -A PEER_ROOT

# peer_root HOST DAEMON: makes the root file system of a host that runs that daemon.
peer_root()
{
	local package=$lab/../../build/unpacked/$2 dir=$RUN/$1 part
	[ -e "$package/complete" ] || fail "no $2 in build/unpacked: run contrib/setup"
	PEER_ROOT[$1]=$dir/root
	mkdir -p "$dir"/{upper,work,root}
	cp -a "$package"/* "$dir/upper" # not as a layer of its own: it lies within the other
	mount -t overlay "$1" -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
	for part in proc sys dev; do
		mount --rbind "/$part" "$dir/root/$part"
	done
	mount -t tmpfs run "$dir/root/run"
	mount -t tmpfs tmp "$dir/root/tmp"
	echo "nameserver $(dns_address)" >"$dir/root/etc/resolv.conf"
}

# in_peer HOST COMMAND...: runs it there; peer_start NAME HOST COMMAND... in the background.
in_peer() { on "$1" chroot "${PEER_ROOT[$1]}" "${@:2}"; }
peer_start() { start "$1" "$2" chroot "${PEER_ROOT[$2]}" "${@:3}"; }

lab_key() { echo "$LAB_OUT/zones/keys/$1.pem"; }

# peer_says HOST TEXT COMMAND...: whether what the command prints has the text.
peer_says()
{
	local said
	said=$(in_peer "$1" "${@:3}" 2>&1) || true
	[[ $said == *"$2"* ]]
}

# sas_gone A B HOST...: the kernels there have no SA between these addresses, within 10 s. (A state
# without an SPI is none: it says that the kernel has asked for one.)
sas_gone()
{
	local host
	for host in "${@:3}"; do
		wait_for 10 "the SAs between $1 and $2 to go from $host" no_sas "$1" "$2" "$host"
	done
	passed "no SA between $1 and $2 any more on ${*:3}"
}
no_sas() { ! has_sas "$@"; }
has_sas() { [ -n "$(spis_between "$@")" ]; }
spis_between() # A B HOST
{
	{ ip -n "$3" xfrm state list src "$1" dst "$2"; ip -n "$3" xfrm state list src "$2" dst "$1"; } |
		grep -o 'spi 0x[0-9a-f]*' | grep -v 'spi 0x00000000' | sort
}

# one_pair A B HOST HOST: within 10 s each kernel has one SA each way between these addresses, and the other
# the same.
one_pair()
{
	wait_for 10 "one pair of SAs between $1 and $2" has_one_pair "$@"
	passed "one pair of SAs between $1 and $2 on ${*:3}"
}
has_one_pair()
{
	local spis
	spis=$(spis_between "$1" "$2" "$3") &&
		[ "$(wc -l <<<"$spis")" = 2 ] && [ "$spis" = "$(spis_between "$1" "$2" "$4")" ]
}

# ---- strongSwan

# strongswan HOST [KEY...]: starts charon with these private keys of the lab; swanctl.conf on stdin.
# Public keys are named after the lab's keys, as in `pubkeys = a-ed25519.pub`. A word ca=NAME or
# cert=NAME instead of a key is a certificate of the lab.
strongswan()
{
	local host=$1 etc key
	shift
	peer_root "$host" strongswan
	etc=${PEER_ROOT[$host]}/etc
	mkdir -p "$etc"/swanctl/{private,pubkey,x509,x509ca}
	cat >"$etc/strongswan.conf" <<-EOF2
	charon {
		load = random nonce openssl pem pkcs1 pkcs8 pubkey x509 constraints revocation hmac kdf gcm \
			aes sha1 sha2 kernel-netlink socket-default vici updown
		install_routes = no
		fragment_size = 576
		filelog {
			stdout {
				flush_line = yes
				default = 1
				ike = 2
				cfg = 2
			}
		}
	}
	swanctl {
		load = random openssl pem pkcs1 pkcs8 pubkey x509
	}
	EOF2
	for key; do
		case $key in
		ca=*) cp "$LAB_OUT/zones/certs/${key#*=}.pem" "$etc/swanctl/x509ca/" ;;
		cert=*) cp "$LAB_OUT/zones/certs/${key#*=}.pem" "$etc/swanctl/x509/" ;;
		*) install -m 600 "$(lab_key "$key")" "$etc/swanctl/private/" ;;
		esac
	done
	cp "$LAB_OUT"/zones/keys/*.pub "$etc/swanctl/pubkey/"
	cat >"$etc/swanctl/swanctl.conf"
	peer_start "charon-$host" "$host" charon-systemd
	wait_for 20 "charon on $host" test -S "${PEER_ROOT[$host]}/run/charon.vici"
	swanctl "$host" --load-all >>"$OUT/swanctl-$host.log" 2>&1 ||
		fail "swanctl on $host takes no configuration"
}

# strongswan_connection NAME LOCAL REMOTE WORD...: one with a child of its name, in transport mode, for
# `connections` in swanctl.conf. A WORD is SECTION.KEY=VALUE with a section conn, local, remote, child.
strongswan_connection()
{
	local name=$1
	printf '%s {\nversion = 2\nlocal_addrs = %s\nremote_addrs = %s\n' "$1" "$2" "$3"
	shift 3
	section conn "$@"
	printf 'local {\n'
	section local "$@"
	printf '}\nremote {\n'
	section remote "$@"
	printf '}\nchildren {\n%s {\nmode = transport\n' "$name"
	section child "$@"
	printf '}\n}\n}\n'
}
section()
{
	local word
	for word in "${@:2}"; do
		[[ $word != "$1."* ]] || echo "${word#*.}"
	done
}

swanctl() { in_peer "$1" swanctl "${@:2}"; }

# strongswan_up HOST CHILD: it initiates.
strongswan_up()
{
	swanctl "$1" --initiate --child "$2" --timeout $((10 * LAB_SLOW)) >>"$OUT/swanctl-$1.log" 2>&1 ||
		fail "strongSwan on $1 has no SA for $2"
}

# strongswan_has HOST CONNECTION TEXT...: its SA is established, and what it says of it has each text.
strongswan_has()
{
	local said text
	said=$(swanctl "$1" --list-sas --ike "$2")
	for text in ESTABLISHED INSTALLED "${@:3}"; do
		[[ $said == *"$text"* ]] || {
			echo "$said"
			fail "strongSwan on $1 does not say '$text' of $2"
		}
	done
	passed "strongSwan on $1: $2 is established ${*:3}"
}

# ---- Libreswan

# libreswan HOST KEY WORD...: starts pluto with that key of the lab; ipsec.conf on stdin, with @ckaid@ where
# the key goes, indented here. A WORD ca=NAME or cert=NAME is a certificate of the lab, the latter with its
# key; others, NAME=PREFIX, are connections that are one of its policy groups.
libreswan()
{
	local host=$1 key=$2 etc nss ckaid word
	shift 2
	peer_root "$host" libreswan
	etc=${PEER_ROOT[$host]}/etc nss=sql:/var/lib/ipsec/nss
	mkdir -p "${PEER_ROOT[$host]}"/{run/pluto,var/lib/ipsec/nss} "$etc/ipsec.d/policies"
	rm -f "$etc"/ipsec.d/policies/*
	cp "$LAB_OUT/zones/keys/$key.p12" "$etc/key.p12"
	in_peer "$host" certutil -N -d $nss --empty-password
	in_peer "$host" pk12util -i /etc/key.p12 -d $nss -W '' >>"$OUT/libreswan-$host.log"
	in_peer "$host" certutil -D -d $nss -n "$key" # a raw key is what is wanted
	ckaid=$(in_peer "$host" certutil -K -d $nss | grep -o '[0-9a-f]\{40\}') || fail "no key in NSS"
	sed -e "s/@ckaid@/$ckaid/" -e '/^con[nf]/!s/^/\t/' >"$etc/ipsec.conf"
	cp "$LAB_OUT/zones/root.key" "$etc/ipsec.d/root.key"
	: >"$etc/ipsec.secrets"
	for word; do
		case $word in
		ca=*) cp "$LAB_OUT/zones/certs/${word#*=}.pem" "$etc/ca.pem"
			in_peer "$host" certutil -A -d $nss -n "${word#*=}" -t CT,, -i /etc/ca.pem ;;
		cert=*) cp "$LAB_OUT/zones/certs/${word#*=}.p12" "$etc/key.p12"
			in_peer "$host" pk12util -i /etc/key.p12 -d $nss -W '' >>"$OUT/libreswan-$host.log" ;;
		*) echo "${word#*=}" >>"$etc/ipsec.d/policies/${word%%=*}" ;;
		esac
	done
	peer_start "pluto-$host" "$host" /usr/libexec/ipsec/pluto --config /etc/ipsec.conf --nofork --stderrlog
	wait_for 30 "pluto on $host" says "pluto-$host" "listening for IKE messages"
}

# ---- OpenIKED

# openiked HOST KEY WORD...: starts iked with that key of the lab; iked.conf on stdin. A WORD, ADDR=KEY, is
# the key of a peer; ca=NAME or cert=NAME is a certificate of the lab. Nothing is called before
# `openiked_call`.
openiked()
{
	local host=$1 key=$2 root etc word
	shift 2
	peer_root "$host" openiked
	root=${PEER_ROOT[$host]} etc=$root/etc/iked
	mkdir -p "$root/var/lib/openiked/empty" "$etc"/{private,ca,certs,pubkeys/ipv4,pubkeys/ipv6}
	grep -q ^_iked: "$root/etc/passwd" ||
		echo "_iked:x:64990:64990::/var/lib/openiked/empty:/bin/false" >>"$root/etc/passwd"
	grep -q ^_iked: "$root/etc/group" || echo "_iked:x:64990:" >>"$root/etc/group"
	install -m 600 "$(lab_key "$key")" "$etc/private/local.key"
	cp "$LAB_OUT/zones/keys/$key.pub" "$etc/local.pub"
	for word; do
		case $word in
		ca=*) cat "$LAB_OUT/zones/certs/${word#*=}.pem" >>"$etc/ca/ca.crt" ;;
		cert=*) cp "$LAB_OUT/zones/certs/${word#*=}.pem" "$etc/certs/${word#*=}.crt" ;;
		*) cp "$LAB_OUT/zones/keys/${word#*=}.pub" "$etc/pubkeys/ipv$FAMILY/${word%%=*}" ;;
		esac
	done
	{ echo "set passive"; cat; } >"$root/etc/iked.conf"
	chmod 600 "$root/etc/iked.conf"
	peer_start "iked-$host" "$host" iked -d -vv
	wait_for 20 "iked on $host" test -S "$root/run/iked.sock"
	# It takes its mode last, and then drops what SAs it has.
	wait_for 20 "iked's configuration on $host" says "iked-$host" "mode active -> passive"
}

openiked_call() { in_peer "$1" ikectl active; }
