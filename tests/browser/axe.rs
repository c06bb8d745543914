//! Every view is looked through by axe, as people see it: three widths, light and dark.

use std::fs;

use serde_json::Value;

use crate::chrome::{Page, Theme};
use crate::views::{WIDTHS, each_view};

/// Where `.ci/run` has put the script.
const SCRIPT: &str = "CONCLAVE_AXE";

/// What of its findings nobody may have to live with.
const RUN: &str = "axe.run(document, { resultTypes: ['violations'] }).then((found) =>
    found.violations.filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) =>
        `${one.id} (${one.impact}): ${one.help}: ` + one.nodes.map((node) =>
            `${node.html} ${node.failureSummary}`).join(' | ')))";

fn findings(page: &Page, script: &str) -> Vec<String> {
    let found = page.eval_apart(script, RUN);
    let found = found.as_array().expect("a list of findings").iter();
    found.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn script() -> String {
    let path = std::env::var(SCRIPT).unwrap_or_else(|_| {
        panic!("{SCRIPT} names no file: `npm ci` in tests/browser, then axe-core/axe.min.js")
    });
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
#[ignore = "needs chromium and axe-core: run by .ci/run"]
fn axe_finds_nothing_serious_on_any_view() {
    let script = script();
    let mut all = Vec::new();
    each_view(|view, page| {
        for (width, height) in WIDTHS {
            for theme in Theme::ALL {
                page.look(width, height, theme);
                for finding in findings(page, &script) {
                    all.push(format!("{view} at {width}, {}: {finding}", theme.name()));
                }
            }
        }
    });
    assert!(all.is_empty(), "{} findings:\n{}", all.len(), all.join("\n"));
}
