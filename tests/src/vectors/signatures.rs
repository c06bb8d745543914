//! Signatures at the edge: what the strict check accepts and what it refuses.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::{hex, keys};

/// A signature over a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureVector {
    /// What is special about it.
    pub name: String,
    /// The public key.
    pub key: String,
    /// The message.
    pub message: String,
    /// The signature.
    pub signature: String,
    /// `ok` or `bad_signature`.
    pub expected: String,
}

const MESSAGE: &[u8] = b"conclave";

/// Name, key and signature over [`MESSAGE`]. Made once by arithmetic on the curve with known
/// secrets, because no library signs like this.
const EDGES: [(&str, &str, &str); 23] = [
    (
        "a key of prime order",
        "e36751c93daa1a13300a52d4eb2f89904e1a4a87408e4aad2490c6be3c505ce6",
        "e9db3c9670d0b5ae667845e000c452a76560f96030761b8cbe504b52776ddf79\
         220393302e2d70967c07e5adb59e1b19b1ba86505b570ccc4a061f159ea62a0d",
    ),
    (
        "S and the order",
        "e36751c93daa1a13300a52d4eb2f89904e1a4a87408e4aad2490c6be3c505ce6",
        "e9db3c9670d0b5ae667845e000c452a76560f96030761b8cbe504b52776ddf79\
         0fd7888d489082ee52a4dc509498fa2db1ba86505b570ccc4a061f159ea62a1d",
    ),
    (
        "R of small order",
        "e36751c93daa1a13300a52d4eb2f89904e1a4a87408e4aad2490c6be3c505ce6",
        "0100000000000000000000000000000000000000000000000000000000000000\
         4779e6093d7fe1addaa44a128af4c00a338f93e43f72eff3c8d9c1a34716b30c",
    ),
    (
        "a key of mixed order, equation holds",
        "1c5d6d2f096cedba4516db1b273d24a840e567851b8525b4d2e4503cca5581d2",
        "9b01f230641863050b7df4aeefec2b440c2f9f480a034e16943c4e1a92915a25\
         a8cfd68c73c5fcb9ea3c313bdb384cd69807a54dce988ab8b1f6c44e571d6301",
    ),
    (
        "a key of mixed order, equation holds only times eight",
        "1c5d6d2f096cedba4516db1b273d24a840e567851b8525b4d2e4503cca5581d2",
        "7c61a1560daa2f213db96805c77499a77d575fe3f05c751389914f48bc1042c2\
         eaca5726e64939796575184aef74c289fffd54572e687f61b787874799a1880f",
    ),
    (
        "R and key of mixed order, equation holds",
        "1c5d6d2f096cedba4516db1b273d24a840e567851b8525b4d2e4503cca5581d2",
        "af19be84bbc535035b0d582308bace74cc8c9e3e54a1a4cc3432e122b9d6ba5f\
         f23435beeefae57e6a1e4d808bcbad9f21bb7f62c5de2a9dbc81874da2fac400",
    ),
    (
        "a key of small order",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order, not canonical (identity with a sign)",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order, not canonical (y = p)",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order, not canonical (y = p + 1)",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order, not canonical (y = p + 1 with a sign)",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order, not canonical (y = p with a sign)",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "a key of small order, not canonical (-1 with a sign)",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "R not canonical (y = p + 1)",
        "e36751c93daa1a13300a52d4eb2f89904e1a4a87408e4aad2490c6be3c505ce6",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f\
         f23435beeefae57e6a1e4d808bcbad9f21bb7f62c5de2a9dbc81874da2fac400",
    ),
    (
        "a key that is no point",
        "0200000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000\
         0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "R that is no point",
        "e36751c93daa1a13300a52d4eb2f89904e1a4a87408e4aad2490c6be3c505ce6",
        "0200000000000000000000000000000000000000000000000000000000000000\
         0100000000000000000000000000000000000000000000000000000000000000",
    ),
];

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let decoded = data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap_or_default();
    decoded.try_into().unwrap_or([0; N])
}

fn vector(name: &str, key: [u8; 32], signature: [u8; 64]) -> SignatureVector {
    let fits = VerifyingKey::from_bytes(&key)
        .and_then(|key| key.verify_strict(MESSAGE, &Signature::from_bytes(&signature)));
    SignatureVector {
        name: name.to_owned(),
        key: hex(&key),
        message: hex(MESSAGE),
        signature: hex(&signature),
        expected: if fits.is_ok() { "ok" } else { "bad_signature" }.to_owned(),
    }
}

/// Vectors of signatures.
#[must_use]
pub fn signatures() -> Vec<SignatureVector> {
    let ours = vector("a device's signature", keys(3).device().0, keys(3).sign(MESSAGE));
    let edges = EDGES.iter().map(|(name, key, signed)| vector(name, bytes(key), bytes(signed)));
    std::iter::once(ours).chain(edges).collect()
}
