/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions that the core's files have for each other. core.c finds the SA for what comes in;
 * sa.c owns its life (states, timers, its end), transmit.c what it sends; exchange.c opens and
 * checks what is encrypted and hands it to the exchange, of which each has a file: sa_init.c,
 * intermediate.c, auth.c, info.c, and create.c with rekey.c and followup.c; with child.c for child
 * SAs, twin.c for two IKE SAs with one peer, nat.c, and cookie.c for what is done before there is
 * an SA.
 */
#pragma once

#include "ike/sa.h"

/* ---- blob.c */

/* Zeroed memory; fatal when there is none. */
void *ike_alloc(size_t size);
struct blob blob_copy(const void *p, size_t len);
/* Wipes. */
void blob_free(struct blob *b);

/* ---- sa.c: life */

/* A new SA in state with its handshake, timers off; our SPI is registered. Never NULL. */
struct ike_sa *sa_new(
	struct ike_core *core, const struct ike_path *path, uint32_t handle, bool initiator);
/* The same, with the handle of one that is to go. */
struct ike_sa *sa_new_again(struct ike_sa *old, const struct ike_path *path);
/* Whether a peer that is behind a NAT, as we are not, may go on at this address (RFC 7296 2.23); it
 * does so by sa_follow(), with all that is sent from now on. */
bool sa_may_follow(const struct ike_sa *sa, const struct pair *pair);
void sa_follow(struct ike_sa *sa, const struct pair *pair);
/* Of our choice: in no other SA. */
uint64_t sa_new_spi(struct ike_core *core);
uint64_t sa_own_spi(const struct ike_sa *sa);
/* The IKE SA that rekeying old makes, between the same ports, without state, keys and handle. */
struct ike_sa *sa_new_heir(const struct ike_sa *old, uint64_t own, uint64_t peers, bool initiator);
/* sa takes old's place before the agent, with its children and what was still to be done. */
void sa_inherit(struct ike_sa *sa, struct ike_sa *old);
/* The one place where a state changes: sets the state's deadline and the counts. */
void sa_set_state(struct ike_sa *sa, enum sa_state state);
/* The end of an SA: the agent gets CHILD_GONE for all that it was told to install, then FAILED or
 * DOWN, once; the peer is told as farewell says. fmt: one clause in plain words. */
__attribute__((format(printf, 5, 6))) void sa_end(struct ike_sa *sa, enum ike_failure code,
	uint16_t notify, enum sa_farewell farewell, const char *fmt, ...);
/* Frees at once; only for core.c. */
void sa_free(struct ike_sa *sa);
/* The handshake is over: CHILD_OUT and UP. */
void sa_up(struct ike_sa *sa);
void sa_set_timer(struct ike_sa *sa, enum sa_timer timer, uint64_t due);
void sa_on_timer(struct ike_sa *sa);
void sa_note(struct ike_sa *sa, enum ike_note_code code, uint64_t arg);
void sa_keys_set(struct handshake *hs, const uint8_t *tail, uint32_t n_keys);
/* SK_d and its prf as keymat.h wants them; wipe. */
void sa_keymat(const struct ike_sa *sa, struct ike_keymat *ret);
/* Keeps a copy of all but the SK_p*. */
void sa_set_keys(struct ike_sa *sa, const struct ike_keymat *k);
/* Ends it: the peer does not answer what we asked. */
void sa_give_up(struct ike_sa *sa);

/* ---- transmit.c: what it sends */

/* A message of the SA in core->build, SK open: put payloads and send it. */
struct ike_builder sa_build(struct ike_sa *sa, uint8_t exchange, bool response);
/* Seals, remembers and sends. The request takes the message ID next_out. */
void sa_send_request(struct ike_sa *sa, struct ike_builder *b, uint8_t exchange);
/* The same for bytes in clear (IKE_SA_INIT). */
void sa_send_request_clear(struct ike_sa *sa, const void *data, size_t len, uint8_t exchange);
/* Seals, keeps for repetitions and sends the response to next_in, which moves on. */
void sa_send_reply(struct ike_sa *sa, struct ike_builder *b);
/* The same in two steps: until the second one the request is in work, and its repetitions get
 * nothing. */
void sa_keep_reply(struct ike_sa *sa, struct ike_builder *b);
void sa_send_kept(struct ike_sa *sa);
/* How long a reply is kept (RFC 7296 section 2.1: "several minutes"). */
#define REPLY_LIFE (180 * SECOND)
/* The peer asks for that response again, from there: it has not had it where it was sent first,
 * perhaps because its NAT has forgotten it meanwhile (RFC 7296 2.11). */
void sa_repeat_reply(struct ike_sa *sa, const struct ike_path *path);
/* The request that is out was not answered in time: once more, in smaller pieces where they may be
 * what gets lost, or the SA ends. */
void sa_retransmit(struct ike_sa *sa);
/* The request that was out is answered. */
void sa_request_done(struct ike_sa *sa);
struct ike_path sa_path(const struct ike_sa *sa);
/* Sends a message, or all fragments of one. */
int sa_transmit(struct ike_sa *sa, const struct blob *run);

/* ---- core.c */

/* Sends a message, with marker where the port wants it. Returns 0 or -errno. */
int core_send(struct ike_core *core, const struct ike_path *path, struct ike_bytes message);
void core_count(struct ike_core *core, unsigned int stat);
/* The agent is to see the numbers soon. */
void core_stats_changed(struct ike_core *core);
void core_event(struct ike_core *core, uint16_t type, const void *fixed, size_t fixed_len,
	const void *tail, size_t tail_len);
#define core_event_struct(core, type, ptr) \
	core_event((core), (type), (ptr), sizeof(*(ptr)), NULL, 0)
struct ike_peer *core_peer(const struct ike_core *core, const struct pair *pair);
/* A number below n. */
uint32_t core_random(struct ike_core *core, uint32_t n);

/* ---- cookie.c: what is answered without any state */

/* Whether the request may go on: no cookie is needed, or it brings the right one. Else one was
 * asked for. */
bool cookie_check(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	const struct ike_payloads *p);
/* An unprotected response with one notify, from no SA. To a good IKE_SA_INIT request it is shorter
 * than the question; to anything else only while cookie_spare(). */
bool cookie_spare(struct ike_core *core);
void cookie_answer(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	uint16_t notify, const void *data, size_t len);

/* ---- sa_init.c */

void init_start(struct ike_sa *sa);
void init_on_request(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	const uint8_t *data, size_t len);
void init_on_response(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
	const uint8_t *data, size_t len);
/* The agent lets the peer in; ca_hashes: for CERTREQ, empty for none; ppk: it has one for the
 * peer. */
void init_accept(struct ike_sa *sa, struct ike_bytes ca_hashes, bool ppk);
/* The peer seems to have lost what IKE_SA_INIT made: sa goes, and a new one begins in its place,
 * for the same handle. Once; not for one that init_may_again() refuses. */
bool init_may_again(const struct ike_sa *sa);
void init_again(struct ike_sa *sa);
/* A failure that may be forged: believed after a moment without a good answer. */
__attribute__((format(printf, 4, 5))) void init_doubt(
	struct ike_sa *sa, enum ike_failure code, uint16_t notify, const char *fmt, ...);

/* The keys of the SA, and SK_p of its handshake. */
void init_set_keys(struct ike_sa *sa, const struct ike_keymat *k);

/* ---- intermediate.c (RFC 9242) */

/* Initiator: IKE_SA_INIT is answered and has chosen an additional key exchange. */
void mix_start(struct ike_sa *sa);
void mix_on_request(struct ike_sa *sa, const struct message *m);
void mix_on_response(struct ike_sa *sa, const struct message *m);
/* What a message of the exchange is sealed with: after IKE_INTERMEDIATE, which changed the keys,
 * its own messages may have to be repeated. */
const struct ike_aead *mix_key(const struct ike_sa *sa, uint8_t exchange, bool of_initiator);

/* ---- exchange.c */

/* A message under SK, of an exchange other than IKE_SA_INIT. */
void exchange_on_message(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
	uint8_t *data, size_t len);

/* ---- crash.c (RFC 6290, RFC 7296 1.5) */

/* Appends our token for the SA, where we have a secret to make it of. */
void crash_put_token(struct ike_sa *sa, struct ike_builder *b);
/* Appends N(INVALID_SPI), where the peer is to be told of one. */
void crash_put_invalid(struct ike_sa *sa, struct ike_builder *b);
/* Keeps the peer's token. Only of an authenticated message. */
void crash_take_token(struct ike_sa *sa, const struct ike_payloads *p);
/* A request of an IKE SA that we do not have: answered, if it is a protected one. */
void crash_on_unknown(
	struct ike_core *core, const struct ike_path *path, const struct ike_header *h);
/* A response in clear to what was sent under SK. */
void crash_on_answer(
	struct ike_sa *sa, const struct ike_header *h, const uint8_t *data, size_t len);
/* A request in clear that is of no exchange, which may say N(INVALID_SPI). */
bool crash_is_hint(const struct ike_header *h);
void crash_on_hint(struct ike_core *core, const struct ike_path *path, const struct ike_header *h,
	const uint8_t *data, size_t len);
/* What an INFORMATIONAL request of the peer says about tokens and SPIs. */
void crash_on_protected(struct ike_sa *sa, const struct ike_payloads *p);
/* How long to wait for an answer while there is doubt about the peer; 0: as usual. */
uint64_t crash_haste(const struct ike_sa *sa);
/* Something authentic came: the doubt is over, and the request that is out has all its tries
 * again. */
void crash_on_heard(struct ike_sa *sa);
/* The request that is out is not answered in time. */
void crash_on_silence(struct ike_sa *sa);
/* Returns 0, or -1 for values out of range. */
int crash_on_invalid_spi(struct ike_core *core, const struct ike_invalid_spi *m);

/* ---- frag.c (RFC 7383) */

/* Ends the message in b: sealed as one, or in fragments where the path may not take it. Empty on a
 * failure of our own, after a line in the log. */
struct blob frag_seal(struct ike_sa *sa, struct ike_builder *b);
/* The next message of what frag_seal() gave, from *at, which moves on. Returns false at the end. */
bool frag_next(const struct blob *run, size_t *at, struct ike_bytes *ret);
/* No answer came: seals what frag_seal() gave anew, for a path that takes less (2.5.2). Returns
 * false where that would change nothing. */
bool frag_shrink(struct ike_sa *sa, struct blob *run);
/* A message with SKF, of the window. repeated: its request was answered already. When all of the
 * message is there *ret owns what was in it, and m->first is set; for a repetition that asks for
 * the answer *ret is not empty. Anything but IKE_PARSE_OK: dropped. */
enum ike_parse frag_take(struct ike_sa *sa, struct message *m, bool repeated, struct blob *ret);
/* Drops what there is of a request or of a response. */
void frag_forget(struct ike_sa *sa, bool response);

/* ---- proof.c */

/* Whether there is anything by which the peer could be let in. */
bool proof_possible(const struct handshake *hs);
/* Fixes how we prove ourselves, and as whom. Returns false where there is no way. */
bool proof_choose(struct ike_sa *sa);
/* Why there is none. */
const char *proof_impossible(const struct ike_sa *sa);
/* Asks the signer for our AUTH, in that state. */
void proof_sign(struct ike_sa *sa, enum sa_state state);
/* Appends AUTH alone. */
void proof_build_auth(
	struct ike_sa *sa, struct ike_builder *b, const uint8_t *signature, size_t len);
/* Appends IDi or IDr and AUTH, of what the signer made or, anonymous, of nothing. */
void proof_build(
	struct ike_sa *sa, struct ike_builder *b, const uint8_t *signature, size_t len);
/* The peer's identity and AUTH, in either role. REFUSED fills *ret; LATER: the signer is asked for
 * what AUTH should be, in SA_I_VERIFY or SA_R_VERIFY; then proof_compare(). */
enum verdict proof_verify(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret);
bool proof_compare(struct ike_sa *sa, struct ike_bytes auth, const uint8_t *want, size_t len,
	struct refusal *ret);
/* The peer's identity as text, for the agent. */
void proof_take_id(struct ike_sa *sa, const struct ike_id *id);

/* ---- x509.c */

/* Whether a message's certificates are as its terms say. */
bool x509_valid(const struct ike_terms *t, const uint8_t *tail, size_t len);
/* Which of our keys our certificate is for. Returns false where we do not have it. */
bool x509_own_key(const struct ike_sa *sa, uint32_t *ret);
/* The usual identity of ours stays where our certificate carries it; else it is what that does. */
void x509_self_id(struct ike_sa *sa);
/* Appends CERT, and of an initiator CERTREQ. */
void x509_build(const struct ike_sa *sa, struct ike_builder *b);
/* CERTREQ of an IKE_SA_INIT response. */
void x509_request(struct ike_builder *b, struct ike_bytes ca_hashes);
/* The peer's certificates and what it claims to be. Returns false and fills *ret, or the key that
 * is to verify its AUTH in *ret_key; x509_proved() when it did. */
bool x509_verify(struct ike_sa *sa, const struct ike_payloads *p, const struct ike_id *id,
	struct ike_certificate *ret_cert, struct ike_pubkey *ret_key, struct refusal *ret);
void x509_proved(struct ike_sa *sa, const struct ike_certificate *cert);
/* Sets the timer of an SA that is up. */
void x509_arm(struct ike_sa *sa);
void x509_on_timer(struct ike_sa *sa);

/* ---- ppk.c (RFC 8784) */

/* Asks the signer for the keys with the PPK in them, in SA_I_PPK or SA_R_PPK; keeps its answer.
 * Returns false where that is none. */
void ppk_ask(struct ike_sa *sa);
bool ppk_take(struct ike_sa *sa, const uint8_t *keys, size_t len);
/* From the keys without it to those with it, and back. */
void ppk_switch(struct ike_sa *sa);
/* Initiator: whether the peer may do without. */
bool ppk_optional(const struct handshake *hs);
/* Initiator: PPK_IDENTITY and NO_PPK_AUTH of the request; what the response says of it. Returns
 * false and fills *ret. */
void ppk_build(struct ike_sa *sa, struct ike_builder *b);
bool ppk_on_response(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret);
/* Responder: REFUSED fills *ret; PROVED: go on without a PPK; LATER: ppk_ask(). */
enum verdict ppk_on_request(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret);

/* ---- auth.c */

/* Initiator: IKE_SA_INIT is answered, and what comes before IKE_AUTH is done. */
void auth_start(struct ike_sa *sa);
void auth_on_request(struct ike_sa *sa, const struct message *m);
void auth_on_response(struct ike_sa *sa, const struct message *m);
void auth_authorize(struct ike_sa *sa);
/* The signer's answer; error: -errno. */
void auth_signed(struct ike_sa *sa, int error, const uint8_t *signature, size_t len);
/* The kernel's answer to a CHILD_IN. */
void auth_installed(struct ike_sa *sa, uint32_t spi, int error);

/* The SA by the SPI of our choice, or NULL. */
struct ike_sa *core_find_sa(const struct ike_core *core, uint64_t spi);
/* Nothing is left of any SA: for tests. */
bool core_is_empty(const struct ike_core *core);

/* ---- child.c */

/* Initiator: SPIs for all proposals; the first one's inbound SA is announced to the agent. */
void child_offer(struct ike_sa *sa);
/* N(USE_TRANSPORT_MODE), SA, TSi, TSr of the request. */
void child_build_offer(struct ike_sa *sa, struct ike_builder *b);
/* Initiator: checks the answer and makes the chosen child. Returns false and fills *ret. */
bool child_accept(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret);
/* Responder: chooses; makes the child, without keys. ke_sent: the group of the KE payload, 0 none.
 * Returns NULL and fills *ret; for IKE_N_INVALID_KE_PAYLOAD ret_esp->ke is the group to ask for. */
struct child *child_choose(struct ike_sa *sa, const struct ike_payloads *p, uint16_t ke_sent,
	struct ike_choice_esp *ret_esp, struct refusal *ret);
/* The same in IKE_AUTH: the chosen one of the handshake, with its keys. */
bool child_choose_first(struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret);
void child_build_choice(struct ike_sa *sa, struct ike_builder *b);
/* CREATE_CHILD_SA, initiator: a child like the model, its SA payload with key exchange ke first,
 * and the check of the answer, which gives the peer's SPI. */
struct child *child_offer_like(struct ike_sa *sa, const struct child *model, uint32_t replaces);
void child_build_offer_like(const struct ike_sa *sa, struct ike_builder *b,
	const struct child *child, const struct ike_ke *ke);
bool child_accept_like(struct ike_sa *sa, struct child *child, const struct ike_payloads *p,
	const struct ike_ke *ke, struct ike_choice_esp *ret_esp, struct refusal *ret);
/* From the SA's SK_d; shared: of a key exchange of its own, added: of an additional one, NULL none.
 * Returns 0 or -EIO. */
int child_make_keys(struct ike_sa *sa, struct child *child, const struct ike_secret *shared,
	const struct ike_secret *added, struct ike_bytes ni, struct ike_bytes nr);
/* CHILD_IN; both: CHILD_OUT too. INSTALLED is the answer. */
void child_install(struct ike_sa *sa, struct child *child, bool both);
/* CHILD_OUT, where the agent has not had it: what is sent goes by this child from now on. INSTALLED
 * is the answer. */
void child_up(struct ike_sa *sa, struct child *child);
/* Frees; tells the agent where it knows of the child. */
void child_gone(struct ike_sa *sa, struct child *child);
/* Nothing is sent by the child any more; what comes in by it is taken. */
void child_mute(struct ike_sa *sa, struct child *child);
void child_gone_all(struct ike_sa *sa);
/* Frees without a word. */
void child_free(struct ike_sa *sa, struct child *child);
struct child *child_find_in(const struct ike_sa *sa, uint32_t spi);
struct child *child_find_out(const struct ike_sa *sa, uint32_t spi);

/* ---- selector.c */

/* TSi and TSr; ours: of an exchange that we began. */
void selector_build(const struct ike_sa *sa, struct ike_builder *b, bool ours);
/* Responder: whether the SA's scope lies within what the peer asks for. */
bool selector_asked(const struct ike_sa *sa, const struct ike_payloads *p);
/* What it asks for, as the agent is told. Returns how many there are. */
size_t selector_wishes(
	const struct ike_sa *sa, const struct ike_payloads *p, struct ike_wish ret[IKE_WISHES_MAX]);
/* Initiator: whether the answer grants the SA's scope, no more and no less; else fills *ret. */
bool selector_granted(const struct ike_sa *sa, const struct ike_payloads *p, struct refusal *ret);

/* ---- create.c: CREATE_CHILD_SA */

void create_on_request(struct ike_sa *sa, const struct message *m);
void create_on_response(struct ike_sa *sa, const struct message *m);
/* Begins what is wanted, where nothing hinders it. Returns whether a request went out. */
bool create_pump(struct ike_sa *sa);
/* The kernel's answer about a child that IKE_AUTH did not make. */
void create_installed(struct ike_sa *sa, struct child *child, int error);
/* The kernel's answer to a CHILD_OUT that came alone. */
void create_switched(struct ike_sa *sa, struct child *child, int error);
/* The peer deletes the child: those that replace it take over. Call before child_gone(). */
void create_succeed(struct ike_sa *sa, const struct child *old);
/* Packets came by the child. */
void create_used(struct ike_sa *sa, struct child *child);
/* The time for that is over: only a peer that lives is sent to by what it made. */
void create_on_switch(struct ike_sa *sa);
void create_on_alive(struct ike_sa *sa);
/* The peer repeats a request: it has not had the answer, so it does not receive on a new child. */
void create_on_repeated(struct ike_sa *sa);
/* An IKE SA without any child ends. */
void create_check_orphan(struct ike_sa *sa);
/* Forgets the exchanges under way, of an SA that ends. */
void create_abandon(struct ike_sa *sa);
void create_free(struct create **c);
/* Its beginning: a nonce of ours, a key pair. Returns false where OpenSSL makes no key. */
bool create_begin(struct ike_sa *sa, struct create *c, const struct ike_ke *ke);
/* The groups that we offer when rekeying, the first one first, with NULL behind the last. */
#define CREATE_KES_MAX 16
void create_groups(
	const struct ike_sa *sa, const struct ike_ke *first, const struct ike_ke *ret[CREATE_KES_MAX]);
struct ike_bytes create_ni(const struct create *c);
struct ike_bytes create_nr(const struct create *c);
void create_take_nonce(const struct ike_payloads *p, uint8_t *nonce, uint16_t *len);
/* A response of this one notify. */
void create_refuse(struct ike_sa *sa, uint16_t notify, const void *data, size_t len);
/* What an error in the answer to our request means, in both kinds. */
enum create_verdict {
	CREATE_AGAIN, /* with the group in *ret_ke */
	CREATE_LATER, /* the timer is set */
	CREATE_NEVER, /* the agent was told */
	CREATE_ENDED, /* the SA has */
};
enum create_verdict create_judge(struct ike_sa *sa, struct create *c, const struct ike_notify *error,
	const struct ike_ke **ret_ke);
/* theirs, made while c was out, has taken c's place to an exchange for the same SA. */
void create_note_rival(struct create *c, const struct create *theirs);
/* Whether c's child or SA is the one to go: it has the lowest of the four nonces (2.8.1). */
bool create_loses(const struct create *c);

/* Theirs: the additional key exchange is done. */
void create_followed(struct ike_sa *sa, struct create *c);

/* ---- followup.c: IKE_FOLLOWUP_KE (RFC 9370) */

/* The additional key exchange to offer beside ke: that of the SA; NULL none. */
const struct ike_ke *followup_ke(const struct ike_sa *sa, const struct ike_ke *ke);
/* Initiator: goes on with ke after the answer p; c is sa->mine again. Returns false where the
 * answer has no link. Its response comes to create_on_response(), with c->followed. */
bool followup_send(struct ike_sa *sa, struct create *c, const struct ike_ke *ke,
	const struct ike_payloads *p);
/* That response: fills c->added. Returns false where the value is no good. */
bool followup_take(struct create *c, const struct ike_ke *ke, const struct ike_payloads *p);
/* Responder: to the CREATE_CHILD_SA response; all of the IKE_FOLLOWUP_KE response. */
void followup_put_link(struct ike_builder *b, const struct create *c);
void followup_put_answer(struct ike_builder *b, const struct create *c);
void followup_on_request(struct ike_sa *sa, const struct message *m);
/* Whether the peer is to go on, and the end of it where it does not. */
bool followup_waits(const struct ike_sa *sa);
void followup_forget(struct ike_sa *sa);

/* ---- rekey.c: the IKE SA by CREATE_CHILD_SA */

/* Theirs: the additional key exchange is done. Frees c. */
void rekey_followed(struct ike_sa *sa, struct create *c);

bool rekey_start(struct ike_sa *sa);
void rekey_on_request(struct ike_sa *sa, const struct message *m);
void rekey_on_response(struct ike_sa *sa, struct create *c, const struct message *m);
/* The peer uses the SA that it made while our own request was out: so that one stays. */
void rekey_settle(struct ike_sa *rival);
/* The peer deletes sa, of which both made a successor: the peer's stays. Returns whether. */
bool rekey_on_delete(struct ike_sa *sa);

/* ---- twin.c: two IKE SAs with one peer */

/* sa is up. */
void twin_on_up(struct ike_sa *sa);
/* The peer has answered on sa: what it outlives may go. */
void twin_on_alive(struct ike_sa *sa);
void twin_on_timer(struct ike_sa *sa);
/* Nothing answers on sa, which goes: whether the peer is to be told of that all the same. */
bool twin_insists(struct ike_sa *sa);

/* ---- info.c */

void info_on_request(struct ike_sa *sa, const struct message *m);
void info_on_response(struct ike_sa *sa, const struct message *m);
/* Whether there is a DELETE for the IKE SA itself. */
bool info_deletes_ike(const struct ike_payloads *p);
/* The kernel sends by another of the SA's children now: answers may have waited for that. */
void info_on_switched(struct ike_sa *sa);
/* The answer that waits, if one does, leaves now. */
void info_release(struct ike_sa *sa);
/* Sends what is wanted, where the window is open. */
void info_pump(struct ike_sa *sa);

/* ---- nat.c (RFC 7296 2.23) */

/* Appends both NAT_DETECTION notifies for a message on path with these SPIs. */
void nat_build(struct ike_builder *b, const struct ike_path *path, uint64_t spi_i, uint64_t spi_r);
/* What the peer's notifies say. Without them: no NAT. */
void nat_detect(const struct ike_payloads *p, const struct ike_path *path, uint64_t spi_i,
	uint64_t spi_r, bool *ret_self, bool *ret_peer);
