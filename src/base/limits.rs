//! Every bound in the house, each with its reason or RFC beside it.

/// Octets of a name in wire form, root label included (RFC 1035 §3.1).
pub const NAME_MAX: usize = 255;
/// Octets of one label (RFC 1035 §3.1).
pub const LABEL_MAX: usize = 63;
/// Labels of a name, root not counted: 127 one-octet labels fill 254 octets.
pub const LABELS_MAX: usize = 127;
/// Octets of a DNS message over TCP: the length prefix has 16 bits (RFC 1035 §4.2.2).
pub const MESSAGE_MAX: usize = 65_535;
/// Octets of a UDP answer at the most, whatever the client offers (RFC 9715: no fragments).
pub const UDP_ANSWER_MAX: usize = 1232;
/// Octets of a UDP answer without EDNS (RFC 1035 §4.2.1).
pub const UDP_PLAIN_MAX: usize = 512;
/// Most hops a chain may have; `policy.max_hops` is 1 to this.
pub const HOPS_MAX: usize = 10;
/// Octets of EXTRA-TEXT in an extended error (SPEC §5).
pub const EDE_TEXT_MAX: usize = 200;
/// Depth of nested `$INCLUDE`.
pub const INCLUDE_DEPTH: usize = 10;
/// Files that one zone may include, each time counted: 16 bits number them.
pub const INCLUDES_MAX: usize = 10_000;
/// Octets of all texts of one zone together, includes counted each time they are read.
pub const ZONE_TEXT_MAX: usize = 1 << 30;
/// Octets of the names and data of one zone: 32-bit offsets with room to spare.
pub const ZONE_ARENA_MAX: usize = 1 << 31;
/// Records that all `$GENERATE` lines of one zone may make.
pub const GENERATE_MAX: usize = 1_000_000;
/// Findings kept of one zone: the rest is counted, so that a wrong file cannot fill memory or log.
pub const FINDINGS_MAX: usize = 1_000;
/// Octets kept of a UDP question. Who keeps to the size we announce (1232) stays below; what is
/// longer is cut here, and so a question that does not parse.
pub const UDP_QUESTION_MAX: usize = 2048;
/// Questions of a batch that are looked up side by side: as many as a core can fetch memory for at once.
pub const GROUP_MAX: usize = 16;
/// Datagrams received and sent with one system call.
pub const UDP_BATCH: usize = 64;
/// Batches still answered after the signal to stop: more than fit in a socket buffer of
/// `SOCKET_BUFFER` octets, and an end to it when questions never cease.
pub const UDP_DRAIN_BATCHES: usize = 128;
/// Octets asked for as buffer of a UDP socket: some 5000 questions, 20 ms of a busy worker. Without
/// root the kernel gives what `net.core.rmem_max` allows.
pub const SOCKET_BUFFER: usize = 4 << 20;
/// Longest a UDP worker sleeps before it looks for the signal to stop and lets go of an old
/// snapshot, in milliseconds. Also the longest it waits for room to send.
pub const UDP_WAKE_MS: u64 = 250;
/// Questions a second from which on a UDP worker may nap: below it, sleeping by the clock was measured
/// to cost more than the wake-ups it saves.
pub const NAP_RATE: u32 = 30_000;
/// Time over which that rate is measured, in milliseconds: longer than a nap, shorter than a burst.
pub const NAP_WINDOW_MS: u64 = 4;
/// Questions in a batch that needs no more company: half of [`UDP_BATCH`].
pub const NAP_BATCH: usize = 32;
/// Microseconds a config may ask for as longest nap: a client would notice more.
pub const NAP_MAX_US: u32 = 1000;
/// TCP connections that wait to be accepted; the kernel gives what `net.core.somaxconn` allows.
pub const TCP_BACKLOG: i32 = 1024;
/// The slow clock of TCP connections, in milliseconds: how exactly `tcp_idle` is kept.
pub const TCP_TICK_MS: u64 = 250;
/// Time after the signal to stop in which TCP goes on as ever, in milliseconds: what clients had
/// sent by then is read.
pub const TCP_GRACE_MS: u64 = 20;
/// Time that TCP clients then have to take their answers, in milliseconds. With the grace before
/// it, less than the second a stop may take.
pub const TCP_DRAIN_MS: u64 = 500;
/// Time the publisher has to end after the doors are closed, in milliseconds: with theirs it stays
/// below a second.
pub const PUBLISHER_END_MS: u64 = 300;
/// Connections taken from one address before those that are open have their turn.
pub const TCP_ACCEPTS: usize = 64;
/// Events of TCP sockets that are asked for with one system call.
pub const TCP_EVENTS: usize = 256;
/// A warning about clients or the network is repeated at most once in this time, in seconds.
pub const WARN_EVERY_SECS: u64 = 60;
/// Denied edges that one worker notes before they are taken from it, and those of one account: what is more is
/// only counted. A worker is emptied every second.
pub const NOTED_EDGES: usize = 128;
pub const NOTED_EDGES_PER_ACCOUNT: usize = 32;
/// Denied edges that are listed, in all and of the names of one account: some 300 octets each.
pub const LISTED_EDGES: usize = 32_768;
pub const LISTED_EDGES_PER_ACCOUNT: usize = 2_048;
/// Stored names that lead into one zone without being let in, of one account, and all of them: what is more is
/// counted. Some 200 octets each.
pub const REQUESTS_PER_PAIR: usize = 200;
pub const REQUESTS: usize = 200_000;
/// Denied edges that are forgotten when nobody has asked for them for so long, in seconds: 30 days.
pub const LISTED_EDGES_SECS: u64 = 30 * 86_400;
/// Versions that are kept of a zone in the store, and records that they changed: the oldest are forgotten first.
pub const VERSIONS: usize = 100;
pub const VERSION_CHANGES: usize = 200_000;
/// A withdrawn grant answers `nodata` instead of `refuse` for this long, in seconds (SPEC §5).
pub const WITHDRAWN_SECS: u64 = 7 * 86_400;
/// TTL of the SOA in a denial, at the most (SPEC §5).
pub const DENIAL_SOA_TTL: u32 = 60;
/// UDP worker threads a config may ask for: more than any machine has cores to run.
pub const WORKERS_MAX: usize = 1024;
/// Octets of the NSID: it goes into every answer that is asked for it, beside EDE and data.
pub const NSID_MAX: usize = 128;
/// TCP connections a config may allow: beyond the file descriptors of any machine.
pub const CONNECTIONS_MAX: usize = 1 << 20;
/// Seconds a TCP connection may be allowed to idle (RFC 7828 can tell at most 6553).
pub const TCP_IDLE_MAX: u16 = 3600;
/// Addresses kept of one answer from outside: more help no client, and the answer still fits into UDP
/// for A (64 × 16 octets).
pub const OUTSIDE_ADDRESSES: usize = 64;
/// Upstream resolvers a config may name: more add no safety.
pub const UPSTREAMS_MAX: usize = 16;
/// Trust anchors a file may hold: each zone with DS records is asked for its keys.
pub const TRUST_ANCHORS_MAX: usize = 256;
/// Milliseconds that `flatten.deadline_ms` may be: less is no time for any network, and with more
/// resolvers have given up waiting.
pub const DEADLINE_MS: std::ops::RangeInclusive<u32> = 10..=10_000;
/// Seconds that `flatten.stale` may be: 30 days. RFC 8767 §5 speaks of one to three.
pub const STALE_MAX: u32 = 30 * 86_400;
/// TTL of what is served although it expired, in seconds (RFC 8767 §4).
pub const STALE_TTL: u32 = 30;
/// Questions handed to the waiting room and not looked at yet: some 100 ms of a busy server's misses.
pub const WAITING_INBOX: usize = 8192;
/// Questions the waiting room takes in or answers before it looks whose time is over: a few milliseconds.
pub const WAITING_BITE: usize = 256;
/// Questions that wait for the outside, in all: 20 000 a second for the default deadline, twice.
pub const WAITING_MAX: usize = 65_536;
/// Questions that wait for the targets of one account: a quarter, so that no tenant takes the room.
pub const WAITING_PER_ACCOUNT: usize = WAITING_MAX / 4;
/// Questions of one TCP connection that may wait for the outside at the same time.
pub const WAITING_PER_CONNECTION: usize = 64;
/// Longest the waiting room sleeps, in milliseconds.
pub const WAITING_WAKE_MS: u64 = 250;
/// CNAMEs followed outside behind one target; long enough for any that works elsewhere (resolvers
/// stop at 8 to 17).
pub const OUTSIDE_HOPS: usize = 16;
/// A look-up outside ends by then, with all its questions, in milliseconds, or by the deadline of
/// answers if that is later: what comes too late for one question still serves the next.
pub const LOOKUP_MS: u64 = 3_000;
/// Look-ups in flight, in all and for one account: each holds a socket or two.
pub const LOOKUPS_MAX: usize = 512;
pub const LOOKUPS_PER_ACCOUNT: usize = 128;
/// Look-ups that wait for their turn, for one account and in all.
pub const LOOKUP_QUEUE: usize = 65_536;
pub const LOOKUP_QUEUE_PER_ACCOUNT: usize = 16_384;
/// Questions that wait for an answer from outside, in all and for one account. Each is a message.
pub const WAITERS_MAX: usize = 16_384;
pub const WAITERS_PER_ACCOUNT: usize = 4_096;
/// Questions on their way from the workers to the look-ups.
pub const ASKS: usize = 8_192;
/// Answers from outside that are remembered, in all and for one account, and their octets.
pub const OUTSIDE_ENTRIES: usize = 1 << 20;
pub const OUTSIDE_ENTRIES_PER_ACCOUNT: usize = 1 << 18;
pub const OUTSIDE_OCTETS: usize = 512 << 20;
pub const OUTSIDE_OCTETS_PER_ACCOUNT: usize = 128 << 20;
/// A target that failed is not asked for again at first and at last, in seconds (RFC 9520 §3.2).
pub const FAILURE_SECS: std::ops::RangeInclusive<u64> = 5..=300;
/// What was learnt is on disk after this time, in milliseconds, and a flush: in less than a second.
pub const REMEMBER_MS: u64 = 250;
/// Seconds that "there is none" from outside is believed at most (RFC 2308 §5 speaks of one to three
/// hours).
pub const OUTSIDE_NEGATIVE_TTL: u32 = 10_800;
/// Characters of a name in master-file text without escapes and without its final dot.
pub const NAME_TEXT_MAX: usize = 253;
/// TTLs that a record of the store may have, in seconds; 1 stands for automatic.
pub const RECORD_TTL: std::ops::RangeInclusive<u32> = 30..=86_400;
/// Characters of the comment of a record, and of one tag; tags of a record.
pub const RECORD_COMMENT_MAX: usize = 500;
pub const RECORD_TAG_MAX: usize = 100;
pub const RECORD_TAGS_MAX: usize = 20;
/// Records of one zone of the store: its versions are compiled as a whole.
pub const RECORDS_MAX: usize = 1_000_000;
/// Octets of all TXT records of one name of the store.
pub const TEXTS_MAX: usize = 8_192;
/// Changes that one batch may ask for.
pub const BATCH_MAX: usize = 3_500;
/// Connections to the block page at once, in all and of one client: browsers open six.
pub const PAGE_CONNECTIONS: usize = 512;
pub const PAGE_PER_CLIENT: usize = 32;
/// Octets and fields of a request of the page: browsers with many cookies send some 8 KiB.
pub const PAGE_REQUEST_OCTETS: usize = 32 << 10;
pub const PAGE_HEADERS: usize = 100;
/// Seconds in which the fields of a request have to be there, and in which a connection ends.
pub const PAGE_HEADER_SECS: u64 = 5;
pub const PAGE_SECS: u64 = 15;
/// Octets of a body that are read and thrown away.
pub const PAGE_DRAIN_OCTETS: u64 = 1 << 20;
/// Milliseconds that the page waits for what has to be asked outside.
pub const PAGE_WAIT_MS: u64 = 2_000;
/// Checks of custom hostnames outside this server for one account: at once, and then a second. A provider with ten
/// million hostnames needs 116 a second for looking at each once a day.
pub const LOOKS_BURST_ACCOUNT: u32 = 300;
pub const LOOKS_PER_ACCOUNT: u32 = 150;
/// The same at names of one domain, for all accounts together: what its servers notice as little as one visitor.
pub const LOOKS_BURST_DOMAIN: u32 = 20;
pub const LOOKS_PER_DOMAIN: u32 = 1;
/// Pages fetched from one network (IPv4 /24, IPv6 /48): at once, and then a second.
pub const FETCHES_BURST: u32 = 20;
pub const FETCHES_PER_SECOND: u32 = 1;
/// Accounts, domains and networks with less than a full budget that are told apart: some 10 MiB.
pub const BUDGETS_MAX: usize = 100_000;
/// Checks outside that wait for somebody to make them.
pub const LOOKS_QUEUE: usize = 256;
/// Checks outside that are under way at a time: each is a few datagrams and at most one connection.
pub const LOOKS_FLYING: usize = 128;
/// A check outside ends by then, in seconds, with all its questions and pages.
pub const LOOK_SECS: u64 = 30;
/// Its DNS questions end by then, so that time is left for pages.
pub const LOOK_DNS_SECS: u64 = 15;
/// A page has to be there by then, in seconds, redirects included.
pub const FETCH_SECS: u64 = 8;
/// Octets of a page: a token has 36, and white space may follow.
pub const PAGE_MAX: usize = 4096;
/// Octets of the head of an answer, and its fields.
pub const PAGE_HEAD_MAX: usize = 16 << 10;
pub const PAGE_FIELDS_MAX: usize = 64;
/// Redirects that are followed, all on the same host (SPEC §7.2).
pub const REDIRECTS_MAX: usize = 3;
/// Addresses of a hostname that are tried for its page.
pub const FETCH_ADDRESSES_MAX: usize = 4;
/// A check outside of which nothing was heard after this many seconds is lost, and may begin again.
pub const LOOK_LOST_SECS: u64 = 120;
/// Names of nameservers a config may give: 64 make 2016 sets of two.
pub const NAMESERVERS_MAX: usize = 64;
