//! Disks that lose their power or have no room left, as file systems of their own on this one.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use conclave_tests::process::{
    Acknowledged, Company, Lab, Node, TIME_MAX, admit, all_have, burst, text, wait_until,
    write_until,
};

use crate::{BINARY, PATIENCE};

const ROOM: &str = Company::EVERYONE;
const POWER_CUTS: u64 = 20;

/// A mounted file system. Dropping it unmounts it.
struct Disk {
    /// Where it is mounted.
    path: PathBuf,
    /// What is mounted there, with the options that it takes.
    mount: Vec<String>,
}

impl Disk {
    /// In memory, of so many megabytes.
    #[track_caller]
    fn in_memory(lab: &Lab, megabytes: u32) -> Self {
        let size = format!("size={megabytes}m");
        let mount = ["-t", "tmpfs", "-o", &size, "tmpfs"].map(str::to_owned);
        Self::new(lab, mount.to_vec())
    }

    /// ext4 in a file.
    #[track_caller]
    fn in_a_file(lab: &Lab) -> Self {
        let image = lab.path().join("image");
        File::create(&image).and_then(|file| file.set_len(256 << 20)).expect("an image");
        let image = image.to_str().expect("UTF-8").to_owned();
        must("mkfs.ext4", &["-q", &image]);
        Self::new(
            lab,
            ["-t", "ext4", "-o", "loop"].map(str::to_owned).into_iter().chain([image]).collect(),
        )
    }

    #[track_caller]
    fn new(lab: &Lab, mount: Vec<String>) -> Self {
        let path = lab.path().join("disk");
        fs::create_dir(&path).expect("a folder");
        let disk = Self { path, mount };
        disk.mount();
        disk
    }

    #[track_caller]
    fn mount(&self) {
        let mut args: Vec<&str> = self.mount.iter().map(String::as_str).collect();
        args.push(self.path.to_str().expect("UTF-8"));
        must("mount", &args);
    }

    /// Ends all writing at once, without what only waits in memory: what is on the disk now is
    /// what a power cut would leave.
    #[track_caller]
    fn cut_power(&self) {
        // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
        let call = "import fcntl, os, struct, sys\n\
                    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
        must("python3", &["-c", call, self.path.to_str().expect("UTF-8")]);
    }

    /// Unmounts and mounts it, which reads its journal as after a power cut.
    #[track_caller]
    fn mount_again(&self) {
        must("umount", &[self.path.to_str().expect("UTF-8")]);
        self.mount();
    }

    /// Leaves no room at all.
    #[track_caller]
    fn fill(&self) -> PathBuf {
        let path = self.path.join("filler");
        let mut file = File::create(&path).expect("a file");
        // Ever smaller pieces, down to the last byte.
        for size in [1 << 20, 4096, 1] {
            let piece = vec![7_u8; size];
            while file.write_all(&piece).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: after a failure a node may still have it open.
        let removed = Command::new("umount").arg("-l").arg(&self.path).status();
        if !removed.is_ok_and(|status| status.success()) {
            eprintln!("{} could not be unmounted", self.path.display());
        }
    }
}

#[track_caller]
fn must(program: &str, args: &[&str]) {
    let why = "these tests need root, loop devices, ext4, tmpfs and python3";
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{why}: {program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{why}: {program} {}: {said}", args.join(" "));
}

/// Alice on that disk, with a room; it is up.
fn alice_on(disk: &Disk, lab: &Lab) -> Node {
    let mut alice = lab.node_in(&disk.path, "alice");
    Company::found(&mut alice);
    alice.ok(&["room", "new", ROOM, "--permit", "role:Agent"]);
    alice
}

/// After the node, so that it is unmounted after the node has ended.
struct Place {
    alice: Node,
    disk: Disk,
    lab: Lab,
}

impl Place {
    fn new(disk: impl FnOnce(&Lab) -> Disk) -> Self {
        let lab = Lab::new(BINARY);
        let disk = disk(&lab);
        let alice = alice_on(&disk, &lab);
        Self { alice, disk, lab }
    }
}

/// Stops a node and waits until all its threads have left the kernel.
fn freeze(node: &Node) {
    node.signal("STOP");
    let tasks = format!("/proc/{}/task", node.pid());
    wait_until("all threads stand still", || {
        let threads = fs::read_dir(&tasks).ok()?;
        let states = threads.filter_map(|thread| {
            let stat = fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
            // After the name, which is in brackets and may hold anything.
            stat.rsplit(") ").next()?.chars().next()
        });
        states.into_iter().all(|state| state == 'T').then_some(())
    });
}

#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn nothing_acknowledged_is_lost_by_a_power_cut() {
    let Place { mut alice, disk, lab } = Place::new(Disk::in_a_file);
    let mut acknowledged = Acknowledged::new();
    for number in 0..POWER_CUTS {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let (sender, counted) = mpsc::channel();
            let (command, stop) = (alice.maker(), &stop);
            let writer = scope.spawn(move || {
                let tell = move |count| sender.send(count).expect("the test counts");
                write_until(stop, &format!("power {number}"), ROOM, command, tell)
            });
            assert_ne!(counted.recv_timeout(TIME_MAX).expect("it writes"), 0);
            // Spread over a fifth of a second without a pattern.
            thread::sleep(Duration::from_millis(number * 7919 % 211));
            // Stopped where it is. Shutting an ext4 down in the middle of an fsync that makes a
            // file longer can let that fsync succeed, which no disk does: a loop of writes and
            // fsyncs alone shows it, in one of six shutdowns.
            freeze(&alice);
            disk.cut_power();
            alice.kill_nine();
            stop.store(true, Ordering::Relaxed);
            acknowledged.extend(writer.join().expect("a writer"));
        });
        // Sled meets a dead disk with a panic on its way out; after the cut nothing counts.
        alice.forget_log();
        disk.mount_again();
        alice.up();
        // Nobody else is there from whom it could come.
        all_have([&alice], ROOM, &acknowledged, PATIENCE);
    }
    println!("{POWER_CUTS} power cuts, {} acknowledged", acknowledged.len());
    let mut bob = lab.node("bob");
    admit(&alice, &mut bob, &alice.address(), "group:Support/Front Line");
    wait_until("bob lists the room", || bob.lists(ROOM).then_some(()));
    all_have([&alice, &bob], ROOM, &acknowledged, PATIENCE);
    drop((alice, disk));
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_full_disk_is_told_and_harms_nothing() {
    let Place { alice, disk, lab } = Place::new(|lab| Disk::in_memory(lab, 48));
    let mut bob = lab.node("bob");
    admit(&alice, &mut bob, &alice.address(), "group:Support/Front Line");
    wait_until("bob lists the room", || bob.lists(ROOM).then_some(()));
    let (mut sent, code) = burst(alice.command(&["--json", "send", ROOM, "-"]), "before", 0..20);
    assert_eq!(code, 0);
    all_have([&alice, &bob], ROOM, &sent, PATIENCE);

    let filler = disk.fill();
    // The store may have kept room for a while.
    let long = "x".repeat(8000);
    let problem = (0..10_000).find_map(|number| {
        let words = format!("{number} {long}");
        let ran = alice.json(&["send", ROOM, &words]);
        if ran.code != 0 {
            return Some(ran);
        }
        sent.insert(text(&ran.document()["id"]), words);
        None
    });
    let problem = problem.expect("there is no room for ever");
    problem.assert_problem(1, "failed");
    assert!(problem.stderr.contains("disk is full"), "{problem:?}");
    // It reads, tells, and goes on refusing.
    assert_eq!(alice.texts(ROOM).len(), sent.len());
    let told = alice.say(&["status"]);
    assert!(told.code == 0 && told.stdout.contains("full"), "{told:?}");
    alice.json(&["send", ROOM, &long]).assert_problem(1, "failed");
    // Others are not held up, and what they write is not lost to her.
    let (more, code) = burst(bob.command(&["--json", "send", ROOM, "-"]), "meanwhile", 0..20);
    assert_eq!(code, 0);
    sent.extend(more);

    fs::remove_file(filler).expect("it is removed");
    let id = wait_until("it resumes by itself", || {
        let ran = alice.json(&["send", ROOM, "after"]);
        (ran.code == 0).then(|| ran.document()["id"].as_str().expect("an id").to_owned())
    });
    sent.insert(id, "after".to_owned());
    all_have([&alice, &bob], ROOM, &sent, PATIENCE);
    wait_until("it is well again", || {
        (!alice.say(&["status"]).stdout.contains("full")).then_some(())
    });
    let mut alice = alice;
    alice.kill_nine();
    alice.up();
    all_have([&alice, &bob], ROOM, &sent, PATIENCE);
    drop((alice, disk));
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_full_disk_at_the_start_is_told() {
    let Place { mut alice, disk, lab: _lab } = Place::new(|lab| Disk::in_memory(lab, 48));
    alice.send(ROOM, "before");
    alice.stop();
    let filler = disk.fill();
    let up = ["up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];
    {
        let node = alice.follow(&[&["--json"][..], &up].concat());
        match node.next_line() {
            // It may well start, to be read.
            Some(line) => assert!(line.contains("\"ready\":true"), "{line}"),
            None => assert_eq!(node.wait(), 1, "{}", alice.log()),
        }
    }
    fs::remove_file(&filler).expect("it is removed");
    alice.up();
    assert_eq!(alice.texts(ROOM), ["before"]);
    alice.send(ROOM, "after");
    drop((alice, disk));
}
