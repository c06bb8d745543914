//! What the compiler has to know before it looks at the sources.

fn main() {
    // A file that is added to the page, or taken from it, is a reason to build again: a release
    // embeds them all.
    println!("cargo:rerun-if-changed=web");
    println!("cargo:rerun-if-changed=build.rs");
    describe_ids();
}

/// In the description of the local API every id is one and the same kind of text. The protocol,
/// which has a type for each, knows nothing of descriptions. Where such a type is described,
/// `crate::api::describe::Id` has to be in scope.
fn describe_ids() {
    let ids = ["AgentId", "CompanyId", "DeviceId", "MessageId", "ObjectId", "RoomId", "UnitId"];
    let config =
        ids.iter().fold(utoipa_config::Config::new(), |config, id| config.alias_for(id, "Id"));
    config.write_to_file();
}
