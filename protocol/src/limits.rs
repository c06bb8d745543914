//! Every bound of the protocol, in one place.
//!
//! A bound that a peer can drive is enforced where bytes enter (`codec`, `sync::frames`)
//! and again by the queue that holds the result.

/// Largest signed object, in bytes of its body.
pub const OBJECT_BYTES_MAX: usize = 32 * 1024;
/// Largest text of a message, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Longest name of a company, agent, unit or room, in characters after NFC.
pub const NAME_CHARS_MAX: usize = 64;
/// Longest topic of a room, in characters.
pub const TOPIC_CHARS_MAX: usize = 256;
/// Most parents that one envelope may name.
pub const PARENTS_MAX: usize = 8;
/// Most grants that one `Enter` may list.
pub const ENTER_GRANTS_MAX: usize = 16;
/// Most overrides that one grant may name; the size of the object bounds it further.
pub const OVERRIDES_MAX: usize = 512;
/// Most earlier epochs that one epoch may follow: all are among its parents, which leaves one for
/// what is newest in the room.
pub const EPOCH_PREVIOUS_MAX: usize = PARENTS_MAX - 1;
/// Most revocations that one epoch may answer; with more an epoch follows another.
pub const EPOCH_AFTER_MAX: usize = 768;
/// Most devices in one part of an epoch's keys: as many as fit an object.
pub const EPOCH_KEYS_PART_MAX: usize = 256;
/// Most devices that an epoch may have as recipients.
pub const EPOCH_RECIPIENTS_MAX: usize = 65_536;
/// Most peers that are asked in vain for the key of one epoch before they are asked again.
pub const EPOCH_KEY_TRIES_MAX: usize = 64;
/// Most epochs that are looked at, the newest first, before a device begins one of its own.
pub const EPOCH_FITTING_TRIES_MAX: usize = 32;
/// How long a node waits for a key that may be on its way before it asks for it, in ms.
pub const KEYS_ASKED_DELAY_MS: u64 = 200;
/// Most keys of epochs that one peer is given in [`EPOCH_KEYS_GIVEN_MS`]; each takes 0.1 ms.
pub const EPOCH_KEYS_GIVEN_MAX: u32 = 128;
/// See [`EPOCH_KEYS_GIVEN_MAX`].
pub const EPOCH_KEYS_GIVEN_MS: u64 = 10_000;
/// A device that was given another key than the others waits up to this long before it begins an
/// epoch that puts it right, in ms.
pub const REKEY_DELAY_MS_MAX: u64 = 2_000;
/// The least time between two such epochs of one device in one room, in ms.
pub const REKEY_SPACING_MS: u64 = 60_000;
/// Most keys of epochs that one request may ask for.
pub const EPOCH_KEYS_ASKED_MAX: usize = 16;
/// Largest height an honest log can reach; anything above is malformed.
pub const HEIGHT_MAX: u64 = 1 << 48;

/// Largest frame of the request-response protocol, in bytes.
pub const FRAME_BYTES_MAX: usize = 320 * 1024;
/// Largest frame that a device may send which is no member.
pub const STRANGER_FRAME_BYTES_MAX: usize = 32 * 1024;
/// Most bytes of objects in one answer or push; leaves room for the frame's own fields.
pub const OBJECTS_FRAME_BYTES_MAX: usize = 256 * 1024;
/// Most ids asked for, or listed, in one frame.
pub const IDS_FRAME_MAX: usize = 1024;
/// Most messages of a newest page, which a node that lacks much shows before the rest is here.
pub const NEWEST_PAGE_MAX: usize = 64;
/// How long a message waits for its parents before it is shown without them, in ms.
pub const INCOMPLETE_DELAY_MS: u64 = 300;
/// How long after it was written, by its author's clock, a message that a pull brings is news, in
/// ms; what is older fills in history.
pub const NEWS_AGE_MS_MAX: u64 = 120_000;
/// How long a command waits for members to report the heads of rooms, in ms.
pub const HEADS_WAIT_MS: u64 = 2_000;
/// How long such a report is used, in ms.
pub const HEADS_FRESH_MS: u64 = 10_000;
/// Most rooms that one command asks about.
pub const HEADS_ROOMS_MAX: usize = 64;
/// Most heads that a revocation keeps, of all rooms together: they have to fit one object.
pub const KEPT_HEADS_MAX: usize = 512;
/// Most commands that wait for heads at once.
pub const HEADS_COMMANDS_MAX: usize = 16;
/// How long a command of a copied home waits for members to say what it had signed, in ms.
pub const COPIED_WAIT_MS: u64 = 5_000;
/// Most commands that wait for that at once.
pub const COPIED_COMMANDS_MAX: usize = 256;
/// How many sequence numbers the messages of a copied home leave out at least: more than anybody
/// signs between two backups. A number up to [`COPIED_SEQ_GAP_RANDOM`] is drawn on top, so that two
/// copies of one home do not meet.
pub const COPIED_SEQ_GAP: u64 = 1 << 32;
/// See [`COPIED_SEQ_GAP`].
pub const COPIED_SEQ_GAP_RANDOM: u64 = 1 << 44;
/// Most messages of a device among which the other end of a fork is looked for.
pub const FORK_SEARCH_MAX: usize = 4096;
/// Most messages of one room whose new state is told after one change of the control log.
pub const STATES_TOLD_MAX: usize = 1024;
/// Most objects that a peer may list in one pull and then not have.
pub const UNSUPPLIED_MAX: usize = 1024;
/// How long nothing is pulled from a peer whose answers made no sense, in ms.
pub const PULL_PENALTY_MS: u64 = 60_000;
/// Into how many parts one range is split when two sides differ.
pub const RANGE_PARTS: usize = 16;
/// Most rooms in one summary frame.
pub const SUMMARY_ROOMS_MAX: usize = 2048;

/// Most control objects that wait for an object they refer to.
pub const PARKED_CONTROL_MAX: usize = 4096;
/// Most of those from one author.
pub const PARKED_CONTROL_PER_DEVICE_MAX: usize = 1024;
/// Most void control objects of one author that nothing refers to and that never counted.
pub const VOID_CONTROL_PER_DEVICE_MAX: usize = 1024;
/// Most void control objects beyond that which running pulls may bring, before what refers to
/// them comes.
pub const VOID_CONTROL_BROUGHT_MAX: usize = 64 * 1024;
/// Most envelopes of one room that wait for parents or control objects.
pub const WAITING_PER_ROOM_MAX: usize = 4096;
/// Most of those that one peer brought.
pub const WAITING_PER_PEER_MAX: usize = 1024;
/// Most bytes of those.
pub const UNACKNOWLEDGED_BYTES_PER_ROOM_MAX: usize = 64 * 1024 * 1024;
/// How long a room is not pulled from a peer that brought what had to be taken back, in ms; twice
/// as long each time, up to [`TAKEN_BACK_PAUSE_MS_MAX`].
pub const TAKEN_BACK_PAUSE_MS: u64 = 60_000;
/// See [`TAKEN_BACK_PAUSE_MS`].
pub const TAKEN_BACK_PAUSE_MS_MAX: u64 = 6 * 60 * 60 * 1000;
/// Most such pauses that are remembered.
pub const TAKEN_BACK_PAUSES_MAX: usize = 4096;
/// How long a message may wait for control objects, and for parents, in ms; after that it has
/// to come again by synchronisation.
pub const WAITING_CONTROL_MS_MAX: u64 = 60_000;
/// See [`WAITING_CONTROL_MS_MAX`].
pub const WAITING_PARENTS_MS_MAX: u64 = 600_000;
/// Most bytes of waiting messages in one room.
pub const WAITING_BYTES_PER_ROOM_MAX: usize = 16 * 1024 * 1024;
/// Most of those that one peer brought.
pub const WAITING_BYTES_PER_PEER_MAX: usize = 4 * 1024 * 1024;
/// Most messages of authors without access that pulls may bring before what acknowledges them.
pub const UNACKNOWLEDGED_PER_ROOM_MAX: usize = 32 * 1024;
/// How long a gossip verdict may be held while missing objects are fetched, in ms.
pub const HOLD_MS_MAX: u64 = 2_000;

/// Most join requests held at once, and how long each lives, in ms.
pub const JOIN_REQUESTS_MAX: usize = 32;
/// How long a join request lives, in ms.
pub const JOIN_REQUEST_MS: u64 = 15 * 60 * 1000;
/// How long a join request lives whose nonce has not been revealed, in ms.
pub const JOIN_UNREVEALED_MS: u64 = 30_000;
/// How long an admin may be silent before the newcomer asks others, in ms.
pub const JOIN_SILENCE_MS: u64 = 60_000;
/// How long a safety code is, `XXXX-XXXX`, in bytes.
pub const SAFETY_CODE_BYTES: usize = 9;
/// Most devices of one agent that one of its devices has confirmed and that wait for an admin.
pub const CONFIRMED_PER_AGENT_MAX: usize = 4;
/// Most such devices of all agents together at one admin.
pub const CONFIRMED_MAX: usize = 64;
/// Most join frames taken from one device per minute.
pub const JOIN_FRAMES_PER_MINUTE_MAX: u32 = 120;

/// Most listen addresses in one address record, see also [`ADDRESS_BYTES_MAX`].
pub const ADDRESSES_MAX: usize = 16;
/// Longest listen address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 256;
/// Most address records kept and sent.
pub const ADDRESS_RECORDS_MAX: usize = 1024;
/// Most address records in one frame.
pub const ADDRESS_RECORDS_FRAME_MAX: usize = 128;

/// Most changes of one device's addresses that are taken in [`ADDRESS_CHANGES_MS`].
pub const ADDRESS_CHANGES_MAX: u32 = 8;
/// See [`ADDRESS_CHANGES_MAX`].
pub const ADDRESS_CHANGES_MS: u64 = 10_000;

/// Most devices at once that have introduced themselves and are not in the log yet.
pub const INTRODUCED_MAX: usize = 16;
/// Most objects in one introduction: a certificate and the grants above it.
pub const INTRODUCTION_OBJECTS_MAX: usize = 16;
/// Most objects that a device whose certificate has ended is told about that.
pub const ENDED_OBJECTS_MAX: usize = 512;
/// How long a node waits after a change of the control log before it reports its state, in ms.
pub const REPORT_DELAY_MS: u64 = 100;
/// How often a node reports its state although nothing changed, in ms.
pub const REPORT_EVERY_MS: u64 = 300_000;
/// Most state reports kept, one a device.
pub const REPORTS_KEPT_MAX: usize = 8192;
/// Most reports of one device that are taken in [`REPORTS_TAKEN_MS`].
pub const REPORTS_TAKEN_MAX: u32 = 64;
/// See [`REPORTS_TAKEN_MAX`].
pub const REPORTS_TAKEN_MS: u64 = 10_000;

/// How often a device says at least that it is there, in ms; up to [`PRESENCE_JITTER_MS`] more.
pub const PRESENCE_EVERY_MS: u64 = 18_000;
/// See [`PRESENCE_EVERY_MS`].
pub const PRESENCE_JITTER_MS: u64 = 4_000;
/// How long a beacon counts from when it came here first, in ms: three may be lost.
pub const PRESENCE_EXPIRY_MS: u64 = 60_000;
/// How long a device waits with a beacon that has a reason of its own, in ms, so that several
/// reasons make one.
pub const PRESENCE_DELAY_MS: u64 = 100;
/// The least time between two beacons of one device, in ms, unless it stops or its user decides.
pub const PRESENCE_SPACING_MS: u64 = 2_000;
/// How long a device whose connection was lost may take to be heard by another way, in ms. Longer
/// than [`PRESENCE_SPACING_MS`] by the way of a beacon.
pub const PRESENCE_GRACE_MS: u64 = 3_000;
/// How long changes of who is there are gathered before they are told, in ms.
pub const PRESENCE_TELL_MS: u64 = 100;
/// A device with so many neighbours that hear it needs no beacon for each new one.
pub const PRESENCE_FEW_PEERS: usize = 4;
/// Most devices whose newest beacon is kept.
pub const PRESENCE_KEPT_MAX: usize = 8192;
/// Most beacons of one device that are taken, or even checked, in [`PRESENCE_TAKEN_MS`].
pub const PRESENCE_TAKEN_MAX: u32 = 16;
/// See [`PRESENCE_TAKEN_MAX`].
pub const PRESENCE_TAKEN_MS: u64 = 10_000;
/// Most beacons in one frame.
pub const BEACONS_FRAME_MAX: usize = 128;
/// Largest draft, in bytes of UTF-8.
pub const DRAFT_BYTES_MAX: usize = 16 * 1024;
/// Most drafts that are kept.
pub const DRAFTS_MAX: usize = 256;

/// How often a node reconciles with a random neighbour, in ms.
pub const RECONCILE_EVERY_MS: u64 = 10_000;
/// How long a request to a peer may stay unanswered, in ms.
pub const REQUEST_MS_MAX: u64 = 10_000;
/// A node's seal of what a removal left without acknowledgement waits up to this long, in ms,
/// so that not all members write one.
pub const SEAL_DELAY_MS_MAX: u64 = 400;
/// Most recent revocations pushed to a forwarder that seems not to know them.
pub const REVOCATIONS_PUSHED_MAX: usize = 16;
/// Of how many objects a node remembers that their signature fits, whatever way they come next.
pub const CHECKED_KEPT_MAX: usize = 8192;
/// Of how many authors a node keeps the key unpacked.
pub const KEYS_KEPT_MAX: usize = 1024;
/// How many messages of its own a device may be ahead of a reader that is there, before whoever
/// posts more has to wait.
pub const SEND_WINDOW: u64 = 500;
/// How long a reader that says nothing of our messages is waited for, in ms.
pub const SEND_PATIENCE_MS: u64 = 1_000;
/// How long one message of ours may be made to wait for readers, in ms.
pub const SEND_WAIT_MS_MAX: u64 = 2_000;
/// Largest page of history in one API answer; longer reads take several.
pub const HISTORY_PAGE_MAX: usize = 1000;

/// Most control objects in a transcript.
pub const TRANSCRIPT_OBJECTS_MAX: u64 = 1 << 20;
/// Most envelopes in a transcript.
pub const TRANSCRIPT_ENTRIES_MAX: u64 = 1 << 24;
/// Largest part of a transcript, an object or a message, as JSON in bytes: a text of
/// [`TEXT_BYTES_MAX`] and an object of [`OBJECT_BYTES_MAX`], with whatever is escaped.
pub const TRANSCRIPT_PART_BYTES_MAX: usize = 512 * 1024;

/// Most places in a room up to which a user has read at different times, see
/// [`crate::room::RoomLog::mark_read`].
pub const READ_PLACES_MAX: usize = 64;
/// From what difference on a claimed time is called wrong, in ms.
pub const CLOCK_WRONG_MS: u64 = 24 * 60 * 60 * 1000;
/// Among how many messages before it a message's claimed time is compared.
pub const CLOCK_COMPARED_MAX: usize = 32;

/// Most control objects that one answer about the audit trail looks at.
pub const AUDIT_LOOKED_AT_MAX: usize = 20_000;
/// Most principals in one answer.
pub const PRINCIPALS_PAGE_MAX: usize = 1000;
/// Most units that one move takes an agent out of, and into.
pub const MOVED_UNITS_MAX: usize = 64;

/// How many messages, by their order of arrival, one row of a room's index covers.
pub const INDEX_CHUNK: u64 = 1024;
/// So many marks of messages that the index covers make it be written anew.
pub const INDEX_MARKS_MAX: usize = 64;

/// Fewest agents of an instant room.
pub const INSTANT_AGENTS_MIN: usize = 2;
/// Most agents of an instant room.
pub const INSTANT_AGENTS_MAX: usize = 32;
/// Most instant rooms started by others that a node keeps. Each is a gossip topic, and a peer may be
/// in no more than 4,096.
pub const INSTANTS_OF_OTHERS_MAX: usize = 1024;
/// Most of those that one agent has started: who starts more is not heard in them, and takes no
/// place from others.
pub const INSTANTS_PER_STARTER_MAX: usize = 128;
/// Most instant rooms started by this node's own agent that it keeps.
pub const INSTANTS_OWN_MAX: usize = 512;
/// Most instant rooms without a message that one peer may have told of at a time, and most in one
/// answer about them.
pub const INSTANTS_TOLD_PER_PEER_MAX: usize = 64;
/// Most instant rooms without a message that peers have told of, in all.
pub const INSTANTS_TOLD_MAX: usize = 512;
/// Most instant rooms without a message that this node's user has opened; beyond that the oldest is
/// forgotten.
pub const INSTANTS_OPENED_MAX: usize = 64;
/// Most answers about instant rooms that are taken in one comparison with a peer.
pub const INSTANTS_ANSWERS_MAX: u32 = 64;
