/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver/resolver.h"

const char *dns_class_name(enum dns_class class)
{
	switch (class) {
	case DNS_KEYS:
		return "KEYS";
	case DNS_DENIED:
		return "DENIED";
	case DNS_UNUSABLE:
		return "UNUSABLE";
	case DNS_INSECURE:
		return "INSECURE";
	case DNS_INSECURE_KEYS:
		return "INSECURE_KEYS";
	case DNS_BOGUS:
		return "BOGUS";
	case DNS_FAILED:
		return "FAILED";
	case DNS_UNAVAILABLE:
		return "UNAVAILABLE";
	case DNS_LIMITED:
		return "LIMITED";
	}
	return "unknown class";
}

const char *dns_key_fault_text(enum dns_key_fault fault)
{
	switch (fault) {
	case DNS_KEY_OK:
		return "usable";
	case DNS_KEY_SHORT:
		return "record ends early";
	case DNS_KEY_GATEWAY_TYPE:
		return "unknown gateway type";
	case DNS_KEY_GATEWAY_NAME:
		return "malformed gateway name";
	case DNS_KEY_GATEWAY_OTHER:
		return "gateway is another host";
	case DNS_KEY_NO_KEY:
		return "record without a key";
	case DNS_KEY_ALGORITHM:
		return "unknown key algorithm";
	case DNS_KEY_LENGTH:
		return "key length does not fit the algorithm";
	case DNS_KEY_VALUE:
		return "not a valid public key";
	}
	return "unknown fault";
}
