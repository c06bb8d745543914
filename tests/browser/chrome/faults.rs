//! What a page must never do, taken from what the browser told of it.

use serde_json::Value;

use super::pipe::Event;

/// What stands for an address that leaves the computer nowhere.
const HARMLESS: [&str; 3] = ["about:", "blob:", "data:"];

/// The faults among these events, in words. Loads that failed count unless `failed_loads`.
pub(crate) fn faults(events: &[Event], origin: &str, failed_loads: bool) -> Vec<String> {
    let fault = |event: &Event| fault(event, origin, failed_loads);
    events.iter().filter_map(fault).collect()
}

fn fault(event: &Event, origin: &str, failed_loads: bool) -> Option<String> {
    let params = &event.params;
    match event.method.as_str() {
        "Runtime.exceptionThrown" => {
            let details = &params["exceptionDetails"];
            Some(format!("threw: {} {}", details["text"], details["exception"]["description"]))
        }
        "Runtime.consoleAPICalled"
            if ["assert", "error"].iter().any(|is| params["type"] == *is) =>
        {
            Some(format!("logged an error: {}", params["args"]))
        }
        "Log.entryAdded" => {
            let entry = &params["entry"];
            let failed_load = entry["source"] == "network";
            (entry["level"] == "error" && !(failed_load && failed_loads))
                .then(|| format!("the browser says: {} {}", entry["text"], entry["url"]))
        }
        "Audits.issueAdded" => policy(&params["issue"]),
        "Page.javascriptDialogOpening" => {
            Some(format!("opened a dialog ({}): {}", params["type"], params["message"]))
        }
        "Network.requestWillBeSent" => {
            let url = params["request"]["url"].as_str().unwrap_or_default();
            let own = url.strip_prefix(origin).is_some_and(|rest| rest.starts_with('/'));
            let harmless = HARMLESS.iter().any(|harmless| url.starts_with(harmless));
            (!own && !harmless).then(|| format!("asked somebody else: {url}"))
        }
        _ => None,
    }
}

fn policy(issue: &Value) -> Option<String> {
    (issue["code"] == "ContentSecurityPolicyIssue")
        .then(|| format!("broke its security policy: {}", issue["details"]))
}
