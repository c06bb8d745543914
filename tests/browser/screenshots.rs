//! Pictures of every view at three widths, light and dark, to be looked at by people.
//!
//! `CONCLAVE_SCREENSHOTS=FOLDER cargo test -p conclave --test browser -- --ignored screenshots::`

use std::path::PathBuf;

use crate::chrome::Theme;
use crate::views::{WIDTHS, each_view};

#[test]
#[ignore = "writes pictures into the folder that CONCLAVE_SCREENSHOTS names"]
fn of_every_view() {
    let folder = std::env::var_os("CONCLAVE_SCREENSHOTS").expect("CONCLAVE_SCREENSHOTS is set");
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    each_view(|view, page| {
        for (width, height) in WIDTHS {
            for theme in Theme::ALL {
                page.look(width, height, theme);
                page.painted();
                page.picture(&folder.join(format!("{view}-{width}-{}.png", theme.name())));
            }
        }
    });
}
