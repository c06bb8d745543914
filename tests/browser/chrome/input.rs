//! The mouse and the keyboard.

use serde_json::{Value, json};

use super::page::Page;
use super::part::{Part, try_until};

/// Whether what would get a click at a point belongs to `this`.
const IS_HIT: &str = "function(x, y) {
    const hit = document.elementFromPoint(x, y);
    return hit !== null && (this.contains(hit) || hit.control === this
        || hit.closest('label')?.control === this);
}";

/// What keys are, as the browser wants to know it: name, code, number, text.
const KEYS: [(&str, &str, u32, &str); 13] = [
    ("Enter", "Enter", 13, "\r"),
    ("Escape", "Escape", 27, ""),
    ("Tab", "Tab", 9, ""),
    ("Backspace", "Backspace", 8, ""),
    ("Delete", "Delete", 46, ""),
    ("ArrowUp", "ArrowUp", 38, ""),
    ("ArrowDown", "ArrowDown", 40, ""),
    ("ArrowLeft", "ArrowLeft", 37, ""),
    ("ArrowRight", "ArrowRight", 39, ""),
    ("Home", "Home", 36, ""),
    ("End", "End", 35, ""),
    ("PageUp", "PageUp", 33, ""),
    ("?", "Slash", 191, "?"),
];

/// The bit of a modifier.
fn modifier(name: &str) -> u32 {
    match name {
        "Alt" => 1,
        "Control" => 2,
        "Shift" => 8,
        _ => panic!("no modifier: {name}"),
    }
}

impl Page {
    /// Presses and releases a key, such as `Enter` or `Shift+Tab`.
    #[track_caller]
    pub(crate) fn press(&self, keys: &str) {
        let (modifiers, key) = keys.rsplit_once('+').unwrap_or(("", keys));
        let modifiers: u32 =
            modifiers.split('+').filter(|name| !name.is_empty()).map(modifier).sum();
        let known = KEYS.iter().find(|(name, ..)| *name == key);
        let letter = key.to_uppercase();
        let number = letter.bytes().next().map_or(0, u32::from);
        let code = format!("Key{letter}");
        let (key, code, number, text) = known.copied().unwrap_or((key, code.as_str(), number, key));
        // With Control or Alt a key writes nothing.
        let text = if modifiers & 3 == 0 { text } else { "" };
        let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        let mut event = json!({
            "type": kind, "key": key, "code": code, "modifiers": modifiers,
            "windowsVirtualKeyCode": number,
        });
        if !text.is_empty() {
            event["text"] = text.into();
        }
        self.cdp("Input.dispatchKeyEvent", &event);
        event["type"] = "keyUp".into();
        self.cdp("Input.dispatchKeyEvent", &event);
    }

    /// Writes at the cursor.
    #[track_caller]
    pub(crate) fn write(&self, text: &str) {
        self.cdp("Input.insertText", &json!({ "text": text }));
    }

    /// The role and name of what has the keyboard.
    #[track_caller]
    pub(crate) fn focused(&self) -> (String, String) {
        let tree = self.cdp("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        let focused = |node: &&Value| {
            let properties = node["properties"].as_array();
            properties.is_some_and(|properties| {
                properties.iter().any(|property| {
                    property["name"] == "focused" && property["value"]["value"] == true
                })
            })
        };
        let node = nodes.iter().rev().find(focused).cloned().unwrap_or_default();
        let word = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        (word(&node["role"]), word(&node["name"]))
    }
}

impl Part<'_> {
    /// Waits until there is one such thing that a click can reach, and clicks it.
    #[track_caller]
    pub(crate) fn click(&self, role: &str, name: &str) {
        let mut last = "it is not there".to_owned();
        let clicked = try_until(|| {
            let mut found = self.named(role, name);
            let part = found.pop()?;
            if !found.is_empty() {
                last = format!("there are {}", found.len() + 1);
                return None;
            }
            part.try_click_here().map_err(|error| last = error).ok()
        });
        if clicked.is_none() {
            panic!("cannot click {role} {name:?}: {last}; of that role: {:?}", self.names(role));
        }
    }

    /// Clicks it if a click can reach it.
    pub(crate) fn try_click_here(&self) -> Result<(), String> {
        let node = json!({ "backendNodeId": self.id()? });
        self.page().try_cdp("DOM.scrollIntoViewIfNeeded", &node)?;
        let quads = self.page().try_cdp("DOM.getContentQuads", &node)?;
        let quad: Vec<f64> = quads["quads"][0]
            .as_array()
            .map(|quad| quad.iter().filter_map(Value::as_f64).collect())
            .unwrap_or_default();
        let [left, top, _, _, right, bottom, ..] = quad.as_slice() else {
            return Err("it has no place on screen".to_owned());
        };
        let (x, y) = (f64::midpoint(*left, *right), f64::midpoint(*top, *bottom));
        if self.try_call(IS_HIT, &[json!(x), json!(y)])? != true {
            return Err("something else is in front of it".to_owned());
        }
        if self.try_call(
            "function() { return this.matches(':disabled, [aria-disabled=true]'); }",
            &[],
        )? == true
        {
            return Err("it is switched off".to_owned());
        }
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
            self.page().try_cdp("Input.dispatchMouseEvent", &event)?;
        }
        Ok(())
    }

    /// Writes into a field in place of what it holds.
    #[track_caller]
    pub(crate) fn fill(&self, role: &str, name: &str, text: &str) {
        self.click(role, name);
        let all = json!({
            "type": "rawKeyDown", "key": "a", "code": "KeyA", "modifiers": 2,
            "windowsVirtualKeyCode": 65, "commands": ["selectAll"],
        });
        self.page().cdp("Input.dispatchKeyEvent", &all);
        self.page().press("Delete");
        self.page().write(text);
    }

    /// Picks an option of a list that opens, by the words of the option.
    #[track_caller]
    pub(crate) fn pick(&self, name: &str, option: &str) {
        const PICK: &str = "function(words) {
            const option = [...this.options ?? []].find((option) => option.label.trim() === words);
            if (!option) return false;
            this.value = option.value;
            this.dispatchEvent(new Event('input', { bubbles: true }));
            this.dispatchEvent(new Event('change', { bubbles: true }));
            return true;
        }";
        let picked = try_until(|| {
            let list = self.find("combobox", name);
            (list.try_call(PICK, &[json!(option)]) == Ok(Value::Bool(true))).then_some(())
        });
        assert!(picked.is_some(), "{name:?} has no option {option:?}");
    }
}
