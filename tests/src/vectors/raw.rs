//! CBOR as a tree, to be bent in places where the typed values cannot be.

/// One data item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    Unsigned(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Raw>),
    /// Bytes as they are: simple values, and whatever is not canonical.
    Verbatim(Vec<u8>),
}

pub(super) const NULL: u8 = 0xf6;

impl Raw {
    /// Reads canonical CBOR of our own making.
    pub fn read(bytes: &[u8]) -> Self {
        let (item, rest) = item(bytes);
        assert!(rest.is_empty(), "bytes behind the item");
        item
    }

    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Unsigned(n) => head(0, *n),
            Self::Bytes(bytes) => [head(2, bytes.len() as u64), bytes.clone()].concat(),
            Self::Text(text) => [head(3, text.len() as u64), text.as_bytes().to_vec()].concat(),
            Self::Array(items) => {
                let items: Vec<Vec<u8>> = items.iter().map(Self::write).collect();
                [head(4, items.len() as u64), items.concat()].concat()
            }
            Self::Verbatim(bytes) => bytes.clone(),
        }
    }

    pub fn items(&mut self) -> &mut Vec<Self> {
        match self {
            Self::Array(items) => items,
            _ => panic!("no array"),
        }
    }

    /// The item to which a path of indices leads.
    pub fn at(&mut self, path: &[usize]) -> &mut Self {
        path.iter().fold(self, |item, index| &mut item.items()[*index])
    }
}

pub(super) fn id(n: u8) -> Raw {
    Raw::Bytes(vec![n; 32])
}

pub(super) fn text(text: &str) -> Raw {
    Raw::Text(text.to_owned())
}

pub(super) fn array(items: &[Raw]) -> Raw {
    Raw::Array(items.to_vec())
}

fn head(major: u8, n: u64) -> Vec<u8> {
    let bytes = n.to_be_bytes();
    let first = |info: u8| vec![major << 5 | info];
    match n {
        0..=23 => first(bytes[7]),
        24..=0xff => [first(24), bytes[7..].to_vec()].concat(),
        0x100..=0xffff => [first(25), bytes[6..].to_vec()].concat(),
        0x1_0000..=0xffff_ffff => [first(26), bytes[4..].to_vec()].concat(),
        _ => [first(27), bytes.to_vec()].concat(),
    }
}

fn item(bytes: &[u8]) -> (Raw, &[u8]) {
    let (major, info) = (bytes[0] >> 5, bytes[0] & 0x1f);
    if major == 7 {
        return (Raw::Verbatim(vec![bytes[0]]), &bytes[1..]);
    }
    let size = if info < 24 { 0 } else { 1 << (info - 24) };
    let number = bytes[1..=size].iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    let number = if size == 0 { u64::from(info) } else { number };
    let mut rest = &bytes[1 + size..];
    let length = usize::try_from(number).unwrap_or(usize::MAX);
    match major {
        0 => (Raw::Unsigned(number), rest),
        2 => (Raw::Bytes(rest[..length].to_vec()), &rest[length..]),
        3 => {
            let text = String::from_utf8_lossy(&rest[..length]).into_owned();
            (Raw::Text(text), &rest[length..])
        }
        4 => {
            let mut items = Vec::new();
            for _ in 0..length {
                let (next, after) = item(rest);
                items.push(next);
                rest = after;
            }
            (Raw::Array(items), rest)
        }
        _ => panic!("not of this format"),
    }
}
