//! A part of a page, and what is in it as a screen reader tells it: by role and name.

use conclave_tests::process::wait_until;
use serde_json::{Value, json};

use super::page::Page;

/// A part of a page that is there now; after the page has drawn it anew it is another one.
#[derive(Clone)]
pub(crate) struct Part<'a> {
    page: &'a Page,
    /// As the browser counts; the document itself if there is none.
    id: Option<u64>,
    name: String,
}

impl<'a> Part<'a> {
    pub(super) fn whole(page: &'a Page) -> Self {
        Self { page, id: None, name: String::new() }
    }

    /// What a screen reader calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The page it is on.
    pub(crate) fn page(&self) -> &'a Page {
        self.page
    }

    /// All things of a role in it that are there for people, from top to bottom.
    pub(crate) fn all(&self, role: &str) -> Vec<Self> {
        self.try_all(role).unwrap_or_default()
    }

    fn try_all(&self, role: &str) -> Result<Vec<Self>, String> {
        let root = self.root()?;
        let query = json!({ "backendNodeId": root, "role": role });
        let found = self.page.try_cdp("Accessibility.queryAXTree", &query)?;
        let nodes = found["nodes"].as_array().cloned().unwrap_or_default();
        let shown = nodes.iter().filter(|node| node["ignored"] == false);
        let part = |node: &Value| {
            let id = node["backendDOMNodeId"].as_u64()?;
            let name = plain(node["name"]["value"].as_str().unwrap_or_default());
            (Some(id) != self.id).then_some(Self { page: self.page, id: Some(id), name })
        };
        Ok(shown.filter_map(part).collect())
    }

    fn root(&self) -> Result<u64, String> {
        if let Some(id) = self.id {
            return Ok(id);
        }
        let document = self.page.try_cdp("DOM.getDocument", &json!({ "depth": 0 }))?;
        document["root"]["backendNodeId"].as_u64().ok_or_else(|| "no document".to_owned())
    }

    /// The names of all things of a role in it.
    pub(crate) fn names(&self, role: &str) -> Vec<String> {
        self.all(role).into_iter().map(|part| part.name).collect()
    }

    /// The things of a role with this name; if there is none, those whose names begin with it and
    /// go on with a count or a sign, as that of a room with unread messages does.
    pub(crate) fn named(&self, role: &str, name: &str) -> Vec<Self> {
        let all = self.all(role);
        let exactly: Vec<Self> = all.iter().filter(|part| part.name == name).cloned().collect();
        if !exactly.is_empty() {
            return exactly;
        }
        let begins = |part: &Self| {
            let rest = part.name.strip_prefix(name)?;
            let next = rest.trim_start().chars().next()?;
            let goes_on = rest.starts_with(char::is_alphanumeric) || next.is_alphabetic();
            (!goes_on).then_some(())
        };
        all.into_iter().filter(|part| begins(part).is_some()).collect()
    }

    /// Waits until there is exactly one thing of this role and name, and gives it.
    #[track_caller]
    pub(crate) fn find(&self, role: &str, name: &str) -> Self {
        let mut last = Vec::new();
        let what = format!("one {role} {name:?}");
        let found = try_until(|| {
            let mut found = self.named(role, name);
            if found.len() == 1 {
                return found.pop();
            }
            last = self.names(role);
            None
        });
        found.unwrap_or_else(|| panic!("not there: {what}; of that role: {last:?}"))
    }

    /// Waits until there is no such thing any more.
    #[track_caller]
    pub(crate) fn gone(&self, role: &str, name: &str) {
        let what = format!("no {role} {name:?}");
        wait_until(&what, || self.try_all(role).ok().filter(|_| !self.has(role, name)));
    }

    /// Whether there is such a thing now.
    pub(crate) fn has(&self, role: &str, name: &str) -> bool {
        !self.named(role, name).is_empty()
    }

    /// The text in it as it is shown.
    pub(crate) fn text(&self) -> String {
        self.try_call("function() { return (this.body ?? this).innerText; }", &[])
            .map(|text| plain(text.as_str().unwrap_or_default()))
            .unwrap_or_default()
    }

    /// Waits until its text holds these words.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        let found = try_until(|| self.text().contains(words).then_some(()));
        found.unwrap_or_else(|| panic!("it does not say {words:?} but: {}", self.text()));
    }

    /// Waits until its text holds these words no more.
    #[track_caller]
    pub(crate) fn says_no_more(&self, words: &str) {
        let found = try_until(|| (!self.text().contains(words)).then_some(()));
        found.unwrap_or_else(|| panic!("it still says {words:?}: {}", self.text()));
    }

    /// Calls a function of the page's script with it as `this`.
    pub(crate) fn try_call(&self, function: &str, arguments: &[Value]) -> Result<Value, String> {
        let resolve = json!({ "backendNodeId": self.root()? });
        let object = self.page.try_cdp("DOM.resolveNode", &resolve)?;
        let arguments: Vec<Value> =
            arguments.iter().map(|value| json!({ "value": value })).collect();
        let call = json!({
            "objectId": object["object"]["objectId"],
            "functionDeclaration": function,
            "arguments": arguments,
            "returnByValue": true,
            "awaitPromise": true,
        });
        let done = self.page.try_cdp("Runtime.callFunctionOn", &call)?;
        match done.get("exceptionDetails") {
            Some(details) => Err(details.to_string()),
            None => Ok(done["result"]["value"].clone()),
        }
    }

    pub(super) fn id(&self) -> Result<u64, String> {
        self.root()
    }

    /// Roles and names of what is on the page, for those who look for why a test failed.
    pub(crate) fn outline(&self) -> String {
        let Ok(tree) = self.page.try_cdp("Accessibility.getFullAXTree", &json!({})) else {
            return "nothing: the browser is gone".to_owned();
        };
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        let line = |node: &Value| {
            let role = node["role"]["value"].as_str()?;
            let name = node["name"]["value"].as_str().unwrap_or_default();
            let told = !name.is_empty() && !["InlineTextBox", "StaticText", "none"].contains(&role);
            (node["ignored"] == false && told).then(|| format!("  {role} {name:?}"))
        };
        let lines: Vec<String> = nodes.iter().filter_map(line).collect();
        format!("{}\n  text: {}", lines.join("\n"), self.text())
    }
}

/// Names and texts with one space where the page has several, or a line's end, and none where two
/// elements meet at a comma.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ,", ",")
}

/// As [`wait_until`], for those who can say more of what was there instead.
pub(super) fn try_until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = std::time::Instant::now() + conclave_tests::process::TIME_MAX;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if std::time::Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
