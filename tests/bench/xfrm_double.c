/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xfrm service's double: what is asked of the kernel is answered by yes, and counted. So the
 * benchmark runs where there is no ESP, and measures oed alone. It takes the place of xfrm/ when it
 * is linked.
 */
#include "xfrm/xfrm.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/service.h"

struct xfrm_double {
	struct msg_channel *agent;
	unsigned long sas_in, sas_out, deletes, decisions;
};

const struct msg_spec xfrm_events[] = {
	{XFRM_EV_READY, "READY", sizeof(struct xfrm_ready), 0, 0},
	{XFRM_EV_DONE, "DONE", sizeof(struct xfrm_done), 0, 0},
	{XFRM_EV_COUNTERS, "COUNTERS", sizeof(struct xfrm_counters), 0, 0},
};
const size_t xfrm_n_events = sizeof(xfrm_events) / sizeof(*xfrm_events);

static const struct msg_spec requests[] = {
	{XFRM_REQ_CONFIG, "CONFIG", sizeof(struct xfrm_config), 0, 0},
	{XFRM_REQ_RULES, "RULES", sizeof(struct xfrm_rules), MSG_MAX, sizeof(struct xfrm_rule)},
	{XFRM_REQ_EXEMPT, "EXEMPT", sizeof(struct xfrm_exempt_list), MSG_MAX,
		sizeof(struct xfrm_exempt)},
	{XFRM_REQ_SA_IN, "SA_IN", sizeof(struct xfrm_sa), XFRM_KEY_MAX, 0},
	{XFRM_REQ_SA_OUT, "SA_OUT", sizeof(struct xfrm_sa), XFRM_KEY_MAX, 0},
	{XFRM_REQ_SA_DELETE, "SA_DELETE", sizeof(struct xfrm_sa_id), 0, 0},
	{XFRM_REQ_DECIDE, "DECIDE", sizeof(struct xfrm_decide), 0, 0},
	{XFRM_REQ_COUNTERS, "COUNTERS", sizeof(struct xfrm_counters_req), 0, 0},
	{XFRM_REQ_STOP, "STOP", sizeof(struct xfrm_stop), 0, 0},
};

static void done(struct xfrm_double *x, uint32_t tag)
{
	struct xfrm_done ev = {.tag = tag};

	msg_send_struct(x->agent, XFRM_EV_DONE, &ev);
}

static void on_message(
	void *state, uint16_t type, const void *fixed, const uint8_t *tail, size_t tail_len)
{
	struct xfrm_ready ready = {.hold = XFRM_HOLD_NFT};
	struct xfrm_double *x = state;

	(void)tail, (void)tail_len;
	switch ((enum xfrm_req)type) {
	case XFRM_REQ_CONFIG:
		msg_send_struct(x->agent, XFRM_EV_READY, &ready);
		break;
	case XFRM_REQ_SA_IN:
		x->sas_in++;
		done(x, ((const struct xfrm_sa *)fixed)->tag);
		break;
	case XFRM_REQ_SA_OUT:
		x->sas_out++;
		done(x, ((const struct xfrm_sa *)fixed)->tag);
		break;
	case XFRM_REQ_SA_DELETE:
		x->deletes++;
		break;
	case XFRM_REQ_DECIDE:
		x->decisions++;
		done(x, ((const struct xfrm_decide *)fixed)->tag);
		break;
	case XFRM_REQ_RULES:
	case XFRM_REQ_EXEMPT:
	case XFRM_REQ_COUNTERS:
	case XFRM_REQ_MOVE:
	case XFRM_REQ_TRAFFIC:
		break;
	case XFRM_REQ_STOP:
		exit(0);
	}
}

static int start(void *state, struct event_base *base, struct msg_channel *agent)
{
	struct xfrm_double *x = state;

	(void)base;
	x->agent = agent;
	return 0;
}

static int open_nothing(struct event_base *base, void **ret_state)
{
	(void)base;
	*ret_state = calloc(1, sizeof(struct xfrm_double));
	return *ret_state ? 0 : -1;
}

static void stop(void *state)
{
	const struct xfrm_double *x = state;

	log_info("%lu SAs in, %lu out, %lu deleted, %lu decisions", x->sas_in, x->sas_out,
		x->deletes, x->decisions);
	free(state);
}

int xfrm_service_main(void)
{
	static const struct service service = {
		.name = "xfrm",
		.sandbox = {.user = "_oed-xfrm", .caps = SANDBOX_NO_CAP, .syscalls = NULL},
		.specs = requests,
		.n_specs = sizeof(requests) / sizeof(*requests),
		.open = open_nothing,
		.start = start,
		.on_message = on_message,
		.stop = stop,
	};

	return service_main(&service);
}
