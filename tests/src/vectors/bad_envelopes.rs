//! Bad envelopes: each is a good one, bent in one place and signed again.

use conclave_protocol::id::CompanyId;
use conclave_protocol::object::ObjectType;

use super::bad::{Case, case, resigned};
use super::bad_objects::{bent, replace, text};
use super::raw::{self, NULL, Raw, array};

/// The text of the vectors as an envelope of another kind, without content.
fn plain(
    company: CompanyId,
    body: &[u8],
    kind: u64,
    bend: &dyn Fn(&mut Vec<Raw>) -> Vec<u8>,
) -> Vec<u8> {
    bent(3, ObjectType::Envelope, company, body, |tree| {
        let fields = tree.items();
        fields[8] = Raw::Unsigned(kind);
        (fields[10], fields[11]) = (Raw::Verbatim(vec![NULL]), Raw::Bytes(Vec::new()));
        let body = bend(fields);
        fields[12] = Raw::Bytes(body);
    })
}

/// What no envelope may be.
pub(super) fn envelopes(company: CompanyId) -> Vec<Case> {
    let (_, body, _) = text();
    let envelope = |body: &[u8]| resigned(3, ObjectType::Envelope, company, body);
    let of = |name: &str, reason, path, with| {
        let bytes = bent(3, ObjectType::Envelope, company, &body, replace(path, with));
        case(name, "malformed", reason, bytes)
    };
    let rule = |name, path: &'static [usize], with| of(name, "rule", path, with);
    let encoding = |name, path: &'static [usize], with| of(name, "encoding", path, with);
    let null = || Raw::Verbatim(vec![NULL]);
    let n = Raw::Unsigned;
    let enter = |fields: &[Raw]| {
        bent(3, ObjectType::Envelope, company, &body, |tree| {
            *tree.at(&[8]) = Raw::Unsigned(16);
            *tree.at(&[9]) = Raw::Verbatim(vec![NULL]);
            (*tree.at(&[10]), *tree.at(&[11])) = (null(), Raw::Bytes(Vec::new()));
            *tree.at(&[12]) = Raw::Bytes(Raw::Array(fields.to_vec()).write());
        })
    };
    // Of a kind without content; the closure gives the body and may bend the rest.
    let of_kind = |name: &str, kind, reason, bend: &dyn Fn(&mut Vec<Raw>) -> Vec<u8>| {
        case(name, "malformed", reason, plain(company, &body, kind, bend))
    };
    let grants = |ids: &[u8]| Raw::Array(ids.iter().map(|n| raw::id(*n)).collect());
    let many: Vec<u8> = (0..17).collect();
    vec![
        case("a byte behind the body", "malformed", "encoding", {
            envelope(&[&body[..], &[0]].concat())
        }),
        case("a body of indefinite length", "malformed", "encoding", {
            envelope(&[&[0x9f], &body[1..], &[0xff]].concat())
        }),
        encoding("a version in two bytes", &[0], Raw::Verbatim(vec![0x18, 1])),
        encoding("a version in nine bytes", &[0], {
            Raw::Verbatim(vec![0x1b, 0, 0, 0, 0, 0, 0, 0, 1])
        }),
        encoding("a float for the version", &[0], Raw::Verbatim(vec![0xf9, 0, 0])),
        encoding("a room of 33 bytes", &[2], Raw::Bytes(vec![0; 33])),
        encoding("a null for the room", &[2], null()),
        encoding("undefined for the predecessor", &[5], Raw::Verbatim(vec![0xf7])),
        encoding("a null for the parents", &[6], null()),
        encoding("a negative height", &[7], Raw::Verbatim(vec![0x21])),
        encoding("a tagged time", &[13], Raw::Verbatim(vec![0xc1, 0x00])),
        encoding("a time above 64 bits", &[13], {
            Raw::Verbatim([&[0xc2, 0x49, 1][..], &[0; 8]].concat())
        }),
        encoding("a text string for the body", &[12], raw::text("hello")),
        encoding("an unknown kind", &[8], n(1)),
        encoding("another unknown kind", &[8], n(20)),
        case("version 0", "unsupported", "version", {
            bent(3, ObjectType::Envelope, company, &body, replace(&[0], n(0)))
        }),
        encoding("an epoch of 31 bytes", &[10], Raw::Bytes(vec![1; 31])),
        rule("place 0", &[4], n(0)),
        rule("place 1 with a predecessor", &[4], n(1)),
        rule("place 2 without", &[5], null()),
        rule("height 0", &[7], n(0)),
        rule("parents and height 1", &[7], n(1)),
        rule("height 2^48 + 1", &[7], n((1 << 48) + 1)),
        rule("height 2^63", &[7], n(1 << 63)),
        rule("no parents and height 2", &[6], array(&[])),
        rule("parents not in order", &[6], grants(&[2, 1])),
        rule("a parent twice", &[6], grants(&[1, 1])),
        rule("nine parents", &[6], grants(&[0, 1, 2, 3, 4, 5, 6, 7, 8])),
        rule("a text without standing", &[9], null()),
        rule("content without an epoch", &[10], null()),
        rule("content without a nonce", &[11], Raw::Bytes(Vec::new())),
        rule("a nonce of 23 bytes", &[11], Raw::Bytes(vec![0; 23])),
        rule("a nonce of 25 bytes", &[11], Raw::Bytes(vec![0; 25])),
        rule("an epoch's start with content", &[8], n(18)),
        rule("an enter with content", &[8], n(16)),
        rule("a seal with content", &[8], n(17)),
        rule("no ciphertext", &[12], Raw::Bytes(Vec::new())),
        rule("a tag alone", &[12], Raw::Bytes(vec![0; 16])),
        rule("a text of 16 KiB and a byte", &[12], Raw::Bytes(vec![0; 16 * 1024 + 17])),
        of_kind("a seal with a body", 17, "rule", &|_| vec![0]),
        of_kind("a seal with an epoch", 17, "rule", &|fields| {
            fields[10] = raw::id(1);
            Vec::new()
        }),
        of_kind("a seal with a nonce", 17, "rule", &|fields| {
            fields[11] = Raw::Bytes(vec![0; 24]);
            Vec::new()
        }),
        of_kind("an enter with an epoch", 16, "rule", &|fields| {
            (fields[9], fields[10]) = (null(), raw::id(1));
            array(&[raw::id(1), grants(&[2]), raw::id(3)]).write()
        }),
        of_kind("an enter with standing", 16, "rule", &|_| {
            array(&[raw::id(1), grants(&[2]), raw::id(3)]).write()
        }),
        of_kind("a seal without standing", 17, "rule", &|fields| {
            fields[9] = null();
            Vec::new()
        }),
        case("an enter of a certificate alone", "malformed", "encoding", enter(&[raw::id(1)])),
        case("an enter with a field too many", "malformed", "encoding", {
            enter(&[raw::id(1), grants(&[2]), raw::id(3), raw::id(4)])
        }),
        case("an enter with an over-long list", "malformed", "encoding", {
            enter(&[raw::id(1), Raw::Verbatim(vec![0x98, 0]), raw::id(3)])
        }),
        case("memberships not in order", "malformed", "rule", {
            enter(&[raw::id(1), grants(&[3, 2]), raw::id(3)])
        }),
        case("a membership twice", "malformed", "rule", {
            enter(&[raw::id(1), grants(&[2, 2]), raw::id(3)])
        }),
        case("seventeen memberships", "malformed", "rule", {
            enter(&[raw::id(1), grants(&many), raw::id(3)])
        }),
        case("an enter with one agent", "malformed", "encoding", {
            enter(&[raw::id(1), grants(&[2])])
        }),
        case("an enter with agents not in order", "malformed", "encoding", {
            enter(&[raw::id(1), grants(&[3, 2])])
        }),
        case("an enter with an agent twice", "malformed", "encoding", {
            enter(&[raw::id(1), grants(&[2, 2])])
        }),
        case("an enter with thirty-three agents", "malformed", "encoding", {
            enter(&[raw::id(1), grants(&(1..=33).collect::<Vec<u8>>())])
        }),
        case("an enter with agents of another room", "malformed", "rule", {
            enter(&[raw::id(1), grants(&[2, 3])])
        }),
        case("another company in the body", "wrong_company", "company", {
            bent(3, ObjectType::Envelope, CompanyId([1; 32]), &body, replace(&[1], raw::id(1)))
        }),
    ]
}

/// What no start of an epoch may be, and no keys of one.
pub(super) fn epochs(company: CompanyId) -> Vec<Case> {
    let (_, body, _) = text();
    let n = Raw::Unsigned;
    let ids = |ids: &[u8]| Raw::Array(ids.iter().map(|n| raw::id(*n)).collect());
    let null = || Raw::Verbatim(vec![NULL]);
    let earlier = |n: u8| array(&[null(), raw::id(n)]);
    let start =
        || vec![array(&[earlier(1), earlier(2)]), ids(&[1, 2]), raw::id(3), n(4), raw::id(5)];
    let key = |device: Raw| array(&[device, Raw::Bytes(vec![6; 80])]);
    let given = || vec![raw::id(1), n(0), array(&[key(raw::id(2)), key(raw::id(3))])];
    let numbered = |n: u64| Raw::Bytes([&[0; 24][..], &n.to_be_bytes()].concat());
    let made = |kind, mut fields: Vec<Raw>, at: usize, with: Raw| {
        fields[at] = with;
        plain(company, &body, kind, &|_| Raw::Array(fields.clone()).write())
    };
    let of_start = |name: &str, reason, at, with| {
        case(format!("an epoch's start: {name}"), "malformed", reason, made(18, start(), at, with))
    };
    let of_keys = |name: &str, reason, at, with| {
        case(format!("an epoch's keys: {name}"), "malformed", reason, made(19, given(), at, with))
    };
    let mut cases = vec![
        of_start("previous ones not in order", "rule", 0, array(&[earlier(2), earlier(1)])),
        of_start("a previous one twice", "rule", 0, array(&[earlier(1), earlier(1)])),
        of_start("eight previous ones", "rule", 0, Raw::Array((0..8).map(earlier).collect())),
        of_start("a wrapped key of 47 bytes", "encoding", 0, {
            array(&[array(&[Raw::Bytes(vec![7; 47]), raw::id(1)])])
        }),
        of_start("a previous one without its id", "encoding", 0, array(&[array(&[null()])])),
        of_start("answers not in order", "rule", 1, ids(&[2, 1])),
        of_start("an answer twice", "rule", 1, ids(&[1, 1])),
        of_start("769 answers", "rule", 1, Raw::Array((0..769).map(numbered).collect())),
        of_start("a hash of 31 bytes", "encoding", 2, Raw::Bytes(vec![3; 31])),
        of_start("65,537 recipients", "rule", 3, n(65_537)),
        of_start("2^32 recipients", "encoding", 3, n(1 << 32)),
        of_start("no digest", "encoding", 4, null()),
        of_keys("none", "rule", 2, array(&[])),
        of_keys("257", "rule", 2, Raw::Array((0..257).map(|n| key(numbered(n))).collect())),
        of_keys("not in order", "rule", 2, array(&[key(raw::id(3)), key(raw::id(2))])),
        of_keys("one device twice", "rule", 2, array(&[key(raw::id(2)), key(raw::id(2))])),
        of_keys("part 256", "rule", 1, n(256)),
        of_keys("part 2^32", "encoding", 1, n(1 << 32)),
        of_keys("79 bytes sealed", "encoding", 2, {
            array(&[array(&[raw::id(2), Raw::Bytes(vec![6; 79])])])
        }),
        of_keys("no epoch", "encoding", 0, null()),
    ];
    for (what, kind, fields) in [("start", 18, start()), ("keys", 19, given())] {
        let bytes = Raw::Array(fields.clone()).write();
        let mut add = |name: &str, reason, bend: &dyn Fn(&mut Vec<Raw>) -> Vec<u8>| {
            let name = format!("an epoch's {what}: {name}");
            cases.push(case(name, "malformed", reason, plain(company, &body, kind, bend)));
        };
        add("a byte behind the body", "encoding", &|_| [&bytes[..], &[0]].concat());
        add("nothing in the body", "encoding", &|_| Vec::new());
        add("a field missing", "encoding", &|_| {
            Raw::Array(fields[..fields.len() - 1].to_vec()).write()
        });
        add("a field too many", "encoding", &|_| {
            Raw::Array([&fields[..], &[null()]].concat()).write()
        });
        add("under an epoch", "rule", &|envelope| {
            envelope[10] = raw::id(1);
            bytes.clone()
        });
        add("without standing", "rule", &|envelope| {
            envelope[9] = null();
            bytes.clone()
        });
    }
    cases
}
