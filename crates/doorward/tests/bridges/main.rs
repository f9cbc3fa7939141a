//! Many `doorward connect` processes at once with one store, before a real gateway; and `kill -9` for the one that has the lock.
//!
//! A few rounds run with every test run; `cargo xtask soak bridges --rounds 200` runs many and prints what it saw.

#![allow(clippy::print_stdout, reason = "a soak says what it saw")]

mod front;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use doorward_client::{CredentialStore as _, StoredTokens};
use doorward_store::{Custody, SealedFile};
use doorward_testkit::{
    keychain::Keychain,
    process::{Gateway, GatewayOptions, Node, Opener, Stdio, Visitor, http, repository},
};
use doorward_types::Timestamp;
use front::{Front, Hold};
use serde_json::{Value, json};
use tempfile::TempDir;

const DOORWARD: &str = env!("CARGO_BIN_EXE_doorward");
const NAME: &str = "ada";
const PASSWORD: &str = "correct horse battery staple";
/// Only a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(90);
/// How soon others go on after the one with the lock was killed: less than its lease, which is a minute.
const SOON: Duration = Duration::from_secs(45);

/// Where the process that has the lock is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// It has the lock, and nothing was sent that arrived.
    Locked,
    /// The gateway has renewed the token, and nobody has the answer.
    Sent,
    /// It has the answer and waits to save it.
    Answered,
    /// It has saved it.
    Saved,
    /// It signs in: a page is open that nobody will come back to.
    SigningIn,
    /// It signs in: the person came back, and nobody has the tokens that the gateway gave.
    Exchanging,
}

const STEPS: [Step; 6] = [Step::Locked, Step::Sent, Step::Answered, Step::Saved, Step::SigningIn, Step::Exchanging];

/// A gateway that is reached through a front.
struct World {
    front: Front,
    _node: Node,
    _gateway: Gateway,
}

impl World {
    fn new() -> Self {
        let mut front = Front::new();
        let spy = repository().join("tests/servers/spy.mjs");
        let options = GatewayOptions::new(DOORWARD, &["node", spy.to_str().unwrap()]);
        // Each round is one more registration from the same address.
        let options = options.flags(&["--limit", "strangers=1000000"]).environment("DOORWARD_PUBLIC_URL", &front.url);
        let gateway = Gateway::start(options);
        gateway.add_user(NAME, PASSWORD);
        // One whose address is known.
        let node = gateway.node();
        front.open(node.address());
        Self { front, _node: node, _gateway: gateway }
    }

    fn mcp_url(&self) -> String {
        format!("{}/mcp", self.front.url)
    }
}

/// A person's computer.
struct Person<'a> {
    world: &'a World,
    home: TempDir,
    opener: Opener,
    keychain: Option<Keychain>,
}

impl<'a> Person<'a> {
    fn new(world: &'a World) -> Self {
        Self { world, home: TempDir::new().unwrap(), opener: Opener::new(), keychain: None }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("client")
    }

    /// Starts so many bridges and sends each its first message.
    fn bridges(&self, number: usize) -> Vec<Stdio> {
        let client = json!({"name": "host", "version": "1"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        let first = json!({"jsonrpc": "2.0", "id": "first", "method": "initialize", "params": params});
        let mut all: Vec<_> = (0..number).map(|_| Stdio::start(&mut self.bridge())).collect();
        all.iter_mut().for_each(|bridge| bridge.send(&first));
        all
    }

    fn bridge(&self) -> Command {
        let mut command = Command::new(DOORWARD);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.home.path());
        command.env("DOORWARD_CLIENT_DIR", self.folder()).env("BROWSER", self.opener.program());
        match &self.keychain {
            Some(keychain) => command.envs(keychain.environment()),
            None => command.env("DOORWARD_PLAIN_CREDENTIALS", "1"),
        };
        command.args(["connect", &self.world.mcp_url()]);
        command
    }

    /// Comes back from the sign-in page at this address.
    async fn sign_in(&self, address: &str) {
        let back = Visitor::new(&self.world.front.url).authorize(address, NAME, PASSWORD, "allow").await;
        let page = http().get(&back).send().await.expect("a bridge waits there");
        assert_eq!(page.status(), 200, "{:?}", page.text().await);
    }

    async fn page(&self, bridges: &mut [Stdio]) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(address) = self.opener.opened(Duration::from_millis(50)) {
                return address;
            }
            if Instant::now() > end {
                panic!("no page was opened\n{}", bridges[0].process().errors());
            }
        }
    }

    async fn store(&self) -> SealedFile {
        SealedFile::open(&self.folder(), Custody::Plain).await.unwrap()
    }

    async fn stored(&self) -> StoredTokens {
        let mut all = self.store().await.list().await.unwrap();
        assert_eq!(all.len(), 1, "one login");
        all.remove(0)
    }

    /// Lets the stored access token be as if it had been issued an hour ago.
    async fn age(&self) -> StoredTokens {
        let mut tokens = self.stored().await;
        for at in [Some(&mut tokens.issued_at), tokens.expires_at.as_mut()].into_iter().flatten() {
            *at = Timestamp::from_unix(at.as_unix() - 3600);
        }
        tokens.generation = self.store().await.save(&tokens, tokens.generation).await.unwrap();
        tokens
    }
}

/// Every bridge has begun its session and lists the tools.
fn all_work(bridges: &mut [Stdio], patience: Duration) {
    let end = Instant::now() + patience;
    let left = || end.saturating_duration_since(Instant::now());
    for bridge in &mut *bridges {
        let first = bridge.receive(left());
        assert!(first["id"] == "first" && first["result"].is_object(), "{first}\n{}", bridge.process().errors());
        bridge.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        bridge.send(&json!({"jsonrpc": "2.0", "id": "tools", "method": "tools/list", "params": {}}));
    }
    for bridge in bridges {
        let tools = loop {
            let message = bridge.receive(left());
            if message["id"] == "tools" {
                break message;
            }
        };
        assert_eq!(tools["result"]["tools"][0]["name"], "confess", "{tools}\n{}", bridge.process().errors());
    }
}

/// The process that has a lock in this folder now.
async fn holder(folder: &Path) -> u32 {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(pid) =
            fs::read_dir(folder).ok().and_then(|files| files.flatten().find_map(|file| held_by(&file.path())))
        {
            return pid;
        }
        assert!(Instant::now() < end, "nobody has a lock");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Who holds the lock of this file, if it is one that is held.
fn held_by(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_prefix("lock-")?;
    let lease: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let alive = path.with_file_name(format!("lock-{name}-{}", lease["token"].as_str()?));
    alive.exists().then(|| lease["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())).flatten()
}

/// Kills the process with this id, which is one of these, and takes it away.
fn kill(bridges: &mut Vec<Stdio>, pid: u32) {
    let at = bridges.iter_mut().position(|bridge| bridge.process().id() == pid).expect("one of ours has the lock");
    // Its handle kills it with `SIGKILL`.
    drop(bridges.swap_remove(at));
}

/// So many bridges at once where nobody has logged in: one page, one registration, and all work.
async fn cold(person: &Person<'_>, number: usize) -> Duration {
    let started = Instant::now();
    let mut bridges = person.bridges(number);
    let address = person.page(&mut bridges).await;
    person.sign_in(&address).await;
    all_work(&mut bridges, PATIENCE);
    assert_eq!(person.opener.opened(Duration::ZERO), None, "a second page");
    let front = &person.world.front;
    assert_eq!((front.take("register"), front.take("code"), front.take("refresh")), (1, 1, 0));
    started.elapsed()
}

/// So many bridges at once with a token that has expired: one refresh, and all work.
async fn expired(person: &Person<'_>, number: usize) -> Duration {
    let before = person.age().await;
    let started = Instant::now();
    let mut bridges = person.bridges(number);
    all_work(&mut bridges, PATIENCE);
    let front = &person.world.front;
    assert_eq!((front.take("refresh"), front.take("code"), front.take("register")), (1, 0, 0));
    assert_eq!(person.opener.opened(Duration::ZERO), None, "a page");
    assert_eq!(person.stored().await.generation, before.generation + 1);
    started.elapsed()
}

/// The same, and the one that refreshes is killed at a step. How long the others took from there.
async fn killed(person: &Person<'_>, number: usize, step: Step) -> Duration {
    let before = person.age().await;
    let (front, folder) = (&person.world.front, person.folder());
    match step {
        Step::Locked => front.hold(Hold::Request),
        // One that has saved it is known by then: it goes on when we have seen which it is.
        Step::Sent | Step::Saved => front.hold(Hold::Answer),
        _ => {}
    }
    let saving = fs::File::options().read(true).write(true).open(folder.join("credentials.lock")).unwrap();
    if step == Step::Answered {
        saving.lock().unwrap();
    }
    let mut bridges = person.bridges(number);
    match step {
        Step::Locked | Step::Sent => front.held(PATIENCE).await,
        Step::Answered => {
            let pid = holder(&folder).await;
            until("an answer waits to be saved", || has_open(pid, &folder.join("credentials.lock"))).await;
        }
        Step::Saved => {
            let sealed = folder.join("credentials.sealed");
            let old = fs::read(&sealed).unwrap();
            front.held(PATIENCE).await;
            let pid = holder(&folder).await;
            front.let_go();
            until("it is saved", || fs::read(&sealed).unwrap() != old).await;
            kill(&mut bridges, pid);
        }
        Step::SigningIn | Step::Exchanging => unreachable!("nothing is renewed there"),
    }
    let started = Instant::now();
    if step != Step::Saved {
        let pid = holder(&folder).await;
        kill(&mut bridges, pid);
    }
    saving.unlock().unwrap();
    all_work(&mut bridges, SOON);
    let took = started.elapsed();
    let refreshes = front.take("refresh");
    let most = if step == Step::Saved { 1 } else { 2 };
    assert!((1..=most).contains(&refreshes), "{step:?}: {refreshes} refreshes");
    assert_eq!(
        (front.take("code"), person.opener.opened(Duration::ZERO)),
        (0, None),
        "{step:?}: nobody is asked again"
    );
    let stored = person.stored().await;
    assert_eq!(stored.generation, before.generation + 1, "{step:?}");
    // The login lives on: what was saved is what the gateway goes on with.
    drop(bridges);
    expired(person, 1).await;
    took
}

/// The one that signs in is killed over its page, or with the code in its hand: another takes over with a page of its own.
async fn killed_signing_in(world: &World, number: usize, step: Step) -> Duration {
    let person = Person::new(world);
    let mut bridges = person.bridges(number);
    let address = person.page(&mut bridges).await;
    if step == Step::Exchanging {
        world.front.hold(Hold::Tokens);
        let back = Visitor::new(&world.front.url).authorize(&address, NAME, PASSWORD, "allow").await;
        // Its browser gets no page any more.
        tokio::spawn(async move { http().get(&back).send().await.map(drop) });
        world.front.held(PATIENCE).await;
    }
    let pid = holder(&person.folder()).await;
    let started = Instant::now();
    kill(&mut bridges, pid);
    let address = person.page(&mut bridges).await;
    let took = started.elapsed();
    assert!(took < SOON, "{took:?} until the next one asked");
    person.sign_in(&address).await;
    all_work(&mut bridges, PATIENCE);
    assert_eq!(person.opener.opened(Duration::ZERO), None, "a third page");
    let (front, codes) = (&world.front, if step == Step::Exchanging { 2 } else { 1 });
    assert_eq!((front.take("register"), front.take("code"), front.take("refresh")), (1, codes, 0));
    took
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what}: it does not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Whether a process has a file open.
fn has_open(pid: u32, file: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == file))
}

/// The slowest of each kind.
#[derive(Default)]
struct Slowest(BTreeMap<String, Duration>);

impl Slowest {
    fn add(&mut self, what: impl Into<String>, took: Duration) {
        let slowest = self.0.entry(what.into()).or_default();
        *slowest = (*slowest).max(took);
    }

    fn tell(&self, rounds: usize, number: usize, started: Instant) {
        println!("bridges: {rounds} rounds with {number} processes each; {:.0} s", started.elapsed().as_secs_f64());
        for (what, took) in &self.0 {
            println!("bridges:   {what}: slowest {:.2} s", took.as_secs_f64());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_bridges_sign_in_once_refresh_once_and_lose_nothing_when_one_is_killed() {
    // proves: KEY-01, KEY-02, KEY-03, KEY-04, FCL-06
    let soak = std::env::var("DOORWARD_BRIDGE_ROUNDS").ok().map(|rounds| rounds.parse().expect("a number of rounds"));
    // A soak has all of them each time; a short run has all of them once, and each step once with fewer.
    let (rounds, fewer) = soak.map_or((STEPS.len(), 4), |rounds: usize| (rounds, 16));
    let world = World::new();
    let (mut slowest, started) = (Slowest::default(), Instant::now());
    let mut person = Person::new(&world);
    for round in 0..rounds {
        let step = STEPS[round % STEPS.len()];
        if soak.is_some() || round == 0 {
            person = Person::new(&world);
            slowest.add("nobody was logged in", cold(&person, 16).await);
            slowest.add("the token had expired", expired(&person, 16).await);
        }
        let took = match step {
            Step::SigningIn | Step::Exchanging => killed_signing_in(&world, fewer, step).await,
            step => killed(&person, fewer, step).await,
        };
        slowest.add(format!("killed at {step:?}, until the others went on"), took);
        if soak.is_some() && (round + 1) % 10 == 0 {
            println!("bridges: {} rounds, {:.0} s", round + 1, started.elapsed().as_secs_f64());
        }
    }
    slowest.tell(rounds, 16, started);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_bridges_share_a_login_whose_key_lies_in_the_keychain() {
    // proves: KEY-01, KEY-07, FCL-06
    let world = World::new();
    let mut person = Person::new(&world);
    person.keychain = Some(Keychain::unlocked());
    cold(&person, 6).await;
    let mut later = person.bridges(2);
    all_work(&mut later, PATIENCE);
    assert!(!person.folder().join("credentials.key").exists());
    let sealed = fs::read(person.folder().join("credentials.sealed")).unwrap();
    assert!(sealed.starts_with(b"doorward credentials v2\nkeychain "));
}
