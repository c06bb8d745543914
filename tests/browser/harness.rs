//! The tests of the tests: what a page must not do is seen, and what people do is done.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::chrome::{Browser, Theme};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; require-trusted-types-for 'script'";

/// Serves a page with the given script until the test ends; gives its address.
fn serve(body: &'static str, script: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(&stream.expect("a connection"), body, script);
        }
    });
    format!("http://{address}/")
}

fn answer(mut stream: &TcpStream, body: &str, script: &str) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    for line in lines {
        if line.is_empty() {
            break;
        }
    }
    let (status, kind, content) = match first.split(' ').nth(1) {
        Some("/") => {
            let html = "<!doctype html><html lang=en><meta charset=utf-8><title>t</title>";
            ("200 OK", "text/html", format!("{html}{body}<script src=/page.js></script>"))
        }
        Some("/page.js") => ("200 OK", "text/javascript", script.to_owned()),
        Some("/favicon.ico") => ("204 No Content", "image/png", String::new()),
        _ => ("404 Not Found", "text/plain", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Content-Security-Policy: {POLICY}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    // The browser may have gone meanwhile.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(content.as_bytes()));
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn every_fault_of_a_page_is_seen() {
    let browser = Browser::start();
    for (body, script, fault) in [
        ("", "console.error('so it goes')", "so it goes"),
        ("", "nowhere()", "nowhere is not defined"),
        ("", "Promise.reject(new Error('nobody caught'))", "nobody caught"),
        ("<p style='color: red'>", "", "ecurity"),
        ("<p onclick='1'>", "", "ecurity"),
        ("<img src=http://127.0.0.2:9/a.png>", "", "127.0.0.2"),
        ("", "fetch('http://127.0.0.2:9/').catch(() => {})", "127.0.0.2"),
        ("<p id=p>", "try { p.innerHTML = '<b>b</b>' } catch {}", "ecurity"),
        ("", "alert('look here')", "look here"),
        ("", "fetch('/missing')", "404"),
    ] {
        let page = browser.open(&serve(body, script));
        let seen = || page.take_faults().into_iter().find(|seen| seen.contains(fault));
        conclave_tests::process::wait_until(fault, seen);
    }
    let quiet = browser.open(&serve("<p>Hello", "console.log('all is well')"));
    quiet.whole().says("Hello");
    assert_eq!(quiet.faults(), [""; 0]);
}

#[test]
#[ignore = "needs chromium: run by .ci/run"]
fn what_people_do_on_a_page_is_done() {
    let body = "<h1>Things</h1>
        <label>Name <input id=name></label>
        <button id=ok>Ok</button><button id=off disabled>Off</button>
        <button hidden>Ghost</button>
        <button aria-label='Help Desk, 3 unread'>HD</button>
        <select aria-label=Colour><option>Red<option>Green</select>
        <p id=out role=status></p>
        <ul aria-label=List></ul>";
    let script = "
        const out = document.getElementById('out');
        const field = document.getElementById('name');
        const log = (words) => { out.textContent += words + '; '; };
        document.getElementById('ok').onclick = (e) => log('ok ' + field.value + ' ' + e.isTrusted);
        field.onkeydown = (e) => { if (e.key === 'Enter') log('enter'); };
        document.querySelector('select').onchange = (e) => log(e.target.value);
        document.onkeydown = (e) => { if (e.key === '?') log('help'); };
        setTimeout(() => {
            const item = document.createElement('li');
            item.textContent = 'later';
            document.querySelector('ul').append(item);
        }, 300);
        if (matchMedia('(prefers-color-scheme: dark)').matches) log('dark');
        document.onvisibilitychange = () => {
            if (document.hidden) new Notification('Psst', { body: 'you' });
        };";
    let browser = Browser::start();
    let page = browser.open(&serve(body, script));
    let whole = page.whole();
    assert_eq!(whole.names("button"), ["Ok", "Off", "Help Desk, 3 unread"]);
    assert!(whole.find("button", "Off").try_click_here().is_err());
    whole.find("button", "Help Desk");
    assert!(!whole.has("button", "Help"), "a name does not end within a word's neighbour");
    whole.fill("textbox", "Name", "first");
    whole.fill("textbox", "Name", "Grüße");
    assert_eq!(page.focused(), ("textbox".to_owned(), "Name".to_owned()));
    page.press("Enter");
    page.press("Tab");
    assert_eq!(page.focused(), ("button".to_owned(), "Ok".to_owned()));
    whole.click("button", "Ok");
    whole.pick("Colour", "Green");
    page.press("?");
    whole.find("list", "List").says("later");
    let said = whole.find("status", "").text();
    assert_eq!(said, "enter; ok Grüße true; Green; help;");
    page.looked_at(false);
    assert_eq!(page.notifications(), [("Psst".to_owned(), "you".to_owned())]);
    page.look(360, 640, Theme::Dark);
    page.reload();
    whole.find("status", "").says("dark");
    assert_eq!(page.eval("[innerWidth, innerHeight]"), serde_json::json!([360, 640]));
    let picture = tempfile::NamedTempFile::new().expect("a file");
    page.picture(picture.path());
    let bytes = std::fs::read(picture.path()).expect("a picture");
    assert!(bytes.starts_with(b"\x89PNG"));
    assert_eq!(
        page.eval_apart(
            "globalThis.apart = 7",
            "apart + document.querySelectorAll('button').length"
        ),
        11
    );
    assert_eq!(page.eval("typeof apart"), "undefined");
    page.connected(false);
    assert_eq!(page.eval("fetch('/').then(() => 'there', () => 'away')"), "away");
    page.connected(true);
    assert_eq!(page.eval("fetch('/').then(() => 'there', () => 'away')"), "there");
    assert_eq!(browser.tabs(), 2, "the first empty one, and ours");
}
