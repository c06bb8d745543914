//! A file that is added to the page, or taken from it, is a reason to build again: a release
//! embeds them all.

fn main() {
    println!("cargo:rerun-if-changed=web");
}
