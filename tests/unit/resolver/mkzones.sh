#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# mkzones.sh DIR PORT: builds a signed DNS tree in DIR and nsd.conf that serves it on 127.0.0.1@PORT.
# DIR/root.key is its trust anchor; DIR/keys/*.spki are the host keys as the answers must show them.
# Needs ldnsutils and openssl; neither root nor a network.
#
#	.  arpa.  example.		signed
#	18.198.in-addr.arpa.		NSEC	every kind of key, CNAMEs, a DNAME
#	0.19.198.in-addr.arpa.		NSEC3
#	1.19.198.in-addr.arpa.		not signed (no DS above)
#	2.19.198 tampered, 3.19.198 expired, 4.19.198 lame, 5.19.198 with a DS of another key
#	6.19.198.in-addr.arpa.		NSEC3 with opt-out, and an unsigned delegation in it
#	7.19.198.in-addr.arpa.		signed, but no DS above: an island, DIR/island.key is its anchor
#	198.20.0.0/16			not signed: the delegation stands in arpa.
#	2001:2::/48			NSEC
#	2001:3::/32			not signed
#	unsigned.example.		not signed
set -eu

dir=${1:?directory} port=${2:?port}
mkdir -p "$dir/keys" "$dir/zk"
cd "$dir"
dir=$PWD
algorithm=ECDSAP256SHA256
begin=$(date -u -d '-2 days' +%Y%m%d%H%M%S) end=$(date -u -d '+1 year' +%Y%m%d%H%M%S)
long_ago=$(date -u -d '-60 days' +%Y%m%d%H%M%S) ago=$(date -u -d '-30 days' +%Y%m%d%H%M%S)

b64() { base64 -w0; }

# ---- host keys

# host_key NAME OPENSSL-OPTIONS...
host_key() {
	openssl genpkey "${@:2}" -out "keys/$1.pem" 2>/dev/null
	openssl pkey -in "keys/$1.pem" -pubout -outform DER -out "keys/$1.spki"
}
# rsa_wire NAME: RFC 3110, exponent 65537
rsa_wire() {
	local n
	n=$(openssl rsa -in "keys/$1.pem" -noout -modulus | cut -d= -f2)
	{ printf '\003\001\000\001'; printf '%b' "$(sed 's/../\\x&/g' <<<"$n")"; } | b64
}

host_key rsa2048 -algorithm RSA -pkeyopt rsa_keygen_bits:2048
host_key rsa4096 -algorithm RSA -pkeyopt rsa_keygen_bits:4096
host_key p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
host_key p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
host_key ed25519 -algorithm ED25519
host_key ed448 -algorithm ED448
rsa=$(rsa_wire rsa2048) rsa4=$(rsa_wire rsa4096)
p256=$(tail -c 64 keys/p256.spki | b64) p384=$(tail -c 96 keys/p384.spki | b64)
ed=$(tail -c 32 keys/ed25519.spki | b64) ed448=$(tail -c 57 keys/ed448.spki | b64)

# ---- zones: NAME.zone written here, NAME.signed by ldns-signzone

file_of() { case $1 in .) echo root ;; *) echo "${1%.}" ;; esac; }

zone_keys() {
	local f
	f=$(file_of "$1")
	(
		cd zk
		ldns-keygen -a $algorithm -k "$1" >"$f.ksk"
		ldns-keygen -a $algorithm "$1" >"$f.zsk"
		ldns-key2ds -n -2 "$(cat "$f.ksk").key" >"$f.ds"
	)
}
ds() { cat "zk/$(file_of "$1").ds"; }

# head ZONE: its first lines; the denial TTL of 300 s is checked by the tests
head_of() {
	printf '$ORIGIN %s\n$TTL 7200\n' "$1"
	printf '@ SOA ns.example. hostmaster.example. 1 3600 600 86400 300\n@ NS ns.example.\n'
}
# key NAME RDATA
key() { printf '%s IPSECKEY %s\n' "$1" "$2"; }
# delegate ZONE [DS-TEXT]: an NS, and a DS where the zone is to be secure
delegate() {
	printf '%s NS ns.example.\n' "$1"
	if [ $# -gt 1 ]; then printf '%s\n' "$2"; fi
}

# sign ZONE [ldns-signzone options]; SIGN_BEGIN and SIGN_END change the signatures' time
sign() {
	local f
	f=$(file_of "$1")
	ldns-signzone -b -i "${SIGN_BEGIN:-$begin}" -e "${SIGN_END:-$end}" -o "$1" "${@:2}" \
		-f "$f.signed" "$f.zone" "zk/$(cat "zk/$f.ksk")" "zk/$(cat "zk/$f.zsk")"
}

nsec=18.198.in-addr.arpa. nsec3=0.19.198.in-addr.arpa. unsigned=1.19.198.in-addr.arpa.
tampered=2.19.198.in-addr.arpa. expired=3.19.198.in-addr.arpa. lame=4.19.198.in-addr.arpa.
mismatch=5.19.198.in-addr.arpa. optout=6.19.198.in-addr.arpa.
island=7.19.198.in-addr.arpa. wide=20.198.in-addr.arpa.
unsigned6=3.0.0.0.1.0.0.2.ip6.arpa. v6=0.0.0.0.2.0.0.0.1.0.0.2.ip6.arpa.
for z in . arpa. example. $nsec $nsec3 $tampered $expired $mismatch $optout $island $v6; do zone_keys $z; done

{
	head_of .
	delegate arpa. "$(ds arpa.)"
	delegate example. "$(ds example.)"
	printf 'ns.example. A 127.0.0.1\n'
} >root.zone
{
	head_of arpa.
	for z in $nsec $nsec3 $tampered $expired $mismatch $optout $v6; do delegate $z "$(ds $z)"; done
	for z in $unsigned $wide $unsigned6 $island; do delegate $z; done
	# its server has not got it: SERVFAIL
	delegate $lame
} >arpa.zone
# the parent holds the digest of a key that the zone has not
sed -i "/^5\.19\.198\.in-addr\.arpa\..*DS/d" arpa.zone
ds $tampered | sed 's/^2\.19/5.19/' >>arpa.zone

{
	head_of example.
	printf 'ns A 127.0.0.1\n'
	printf 'host A 198.18.0.1\nhost A 198.18.0.31\nhost AAAA 2001:2::1\n'
	key host "10 0 4 . $ed"
	printf 'alias CNAME host\nbare A 198.18.0.1\n'
	key keyonly "10 0 4 . $ed"
	# for hints: many addresses, one family, a gateway that is its own address, an address unsigned
	for i in $(seq 12); do printf 'many A 198.18.9.%d\nmany AAAA 2001:2::9:%d\n' $i $i; done
	key many "10 0 4 . $ed"
	printf 'half A 198.18.0.41\n'
	key half "10 0 4 . $ed"
	printf 'own A 198.18.0.42\n'
	key own "10 1 4 198.18.0.42 $ed"
	printf 'stripped A 198.18.0.43\n'
	key stripped "10 0 4 . $ed"
	for i in 7 8; do key $i.rev "10 0 4 . $ed"; done
	delegate unsigned
} >example.zone
{
	head_of unsigned.example.
	printf 'www A 198.18.0.1\n'
	key www "10 0 4 . $ed"
} >unsigned.example.zone

{
	head_of $nsec
	key 1.0 "10 0 4 . $ed"
	key 2.0 "10 0 2 . $rsa"
	key 3.0 "10 0 3 . $p256"
	key 4.0 "10 0 3 . $p384"
	key 5.0 "10 0 4 . $ed448"
	key 6.0 "10 0 2 . $rsa4"
	# as Libreswan writes them
	key 7.0 "10 0 4 . $(b64 <keys/rsa2048.spki)"
	key 8.0 "10 0 5 . $(b64 <keys/ed25519.spki)"
	# precedence
	key 9.0 "10 0 4 . $ed"
	key 9.0 "20 0 2 . $rsa"
	key 9.0 "5 0 3 . $p256"
	# gateways: itself, another, a name
	key 10.0 "10 1 4 198.18.0.10 $ed"
	key 11.0 "10 1 4 198.18.0.1 $ed"
	key 12.0 "10 3 4 gw.example. $ed"
	# more keys than are taken, and one unusable
	for i in $(seq 12); do key 13.0 "$((20 - i)) 0 4 . $(head -c 32 /dev/urandom | b64)"; done
	key 13.0 "1 0 4 . $(head -c 31 /dev/zero | b64)"
	# far over what UDP carries
	for i in $(seq 8); do
		key 14.0 "$i 0 2 . $({ printf '\003\001\000\001\377'
			head -c 510 /dev/urandom
			printf '\001'; } | b64)"
	done
	printf '20.0 PTR host.example.\n'
	printf '21.0 CNAME 21.0/26.0\n'
	key 21.0/26.0 "10 0 4 . $ed"
	printf '22.0 CNAME host.example.\n23.0 CNAME nothing.example.\n'
	printf '1 DNAME rev.example.\n'
	# delayed (2.x) and swallowed (3.x) by the proxy of the test
	for i in $(seq 0 199); do key $i.2 "10 0 4 . $ed"; done
} >${nsec%.}.zone
for z in $nsec3 $tampered $expired $mismatch $optout $island $unsigned $wide; do
	{
		head_of $z
		key 1 "10 0 4 . $ed"
		printf '20 PTR host.example.\n'
	} >${z%.}.zone
done
{
	head_of $v6
	key 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 "10 0 4 . $ed"
} >${v6%.}.zone

{
	head_of $unsigned6
	printf '1 PTR host.example.\n'
} >${unsigned6%.}.zone
delegate 7 >>${optout%.}.zone

for z in . arpa. example. $nsec $tampered $mismatch $island $v6; do sign $z; done
sign $nsec3 -n -t 0
sign $optout -n -p -t 0
SIGN_BEGIN=$long_ago SIGN_END=$ago sign $expired
other=$(head -c 32 /dev/zero | b64)
sed -i "/IPSECKEY/s#$ed#$other#" ${tampered%.}.signed
sed -i '/^stripped.*RRSIG\tA /d' example.signed

# ---- server

{
	cat <<-EOF
		server:
		  ip-address: 127.0.0.1@$port
		  port: $port
		  username: ""
		  chroot: ""
		  zonesdir: "$dir"
		  pidfile: "$dir/nsd.pid"
		  logfile: "$dir/nsd.log"
		  xfrdfile: ""
		  zonelistfile: "$dir/nsd.zones"
		  database: ""
		  rrl-ratelimit: 0
		  server-count: 1
		remote-control:
		  control-enable: no
	EOF
	for z in . arpa. example. $nsec $nsec3 $tampered $expired $mismatch $optout $island $v6; do
		printf 'zone:\n  name: "%s"\n  zonefile: "%s.signed"\n' $z "$(file_of $z)"
	done
	for z in unsigned.example. $unsigned $wide $unsigned6 $lame; do
		printf 'zone:\n  name: "%s"\n  zonefile: "%s.zone"\n' $z "$(file_of $z)"
	done
} >nsd.conf
cp "zk/$(cat zk/root.ksk).key" root.key
cp "zk/$(cat "zk/$(file_of $island).ksk").key" island.key
chmod -R a+rX .
