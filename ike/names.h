/* SPDX-License-Identifier: BSD-2-Clause */
/* Printable names of protocol numbers; unknown ones as "payload 99" in rotating static buffers,
 * good for one log line. ike_notify_name() is in ike/ike.h. */
#pragma once

#include <stdint.h>

#include "ike/payload.h"

const char *ike_exchange_name(uint8_t exchange);  /* "IKE_SA_INIT" */
const char *ike_payload_name(uint8_t type);       /* "SA", "TSi" */
const char *ike_method_name(uint8_t method);      /* "NULL", "digital signature" */
const char *ike_parse_name(enum ike_parse cause); /* "bad-length": for statistics; "ok" */
/* "198.18.0.1", "host.example", "(anonymous)", "O=Example, CN=host", "type 11 0a1b..." : printable
 * whatever the peer sent. Cut to cap, NUL-terminated. Returns buf. */
const char *ike_id_format(uint8_t type, const void *data, size_t len, char *buf, size_t cap);
