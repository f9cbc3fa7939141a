use std::{path::Path, process::Command, time::Duration};

use tempfile::TempDir;
use thirtyfour::{WebDriver, WebElement, error::WebDriverError, prelude::*};

use super::Running;

const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// Chromium without a window, with an empty profile. It is killed when dropped.
pub struct Browser {
    /// The session; a test may use it directly.
    pub driver: WebDriver,
    _chromedriver: Running,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium and its driver.
    ///
    /// # Panics
    /// When they are not installed or do not start.
    pub async fn start() -> Self {
        for file in [CHROMIUM, CHROMEDRIVER] {
            assert!(Path::new(file).exists(), "{file} is not installed; run: cargo xtask test");
        }
        let profile = TempDir::new().expect("a temporary folder can be made");
        let (chromedriver, port) = driver();
        let mut wanted = DesiredCapabilities::chrome();
        let set = wanted.set_binary(CHROMIUM);
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--no-proxy-server",
            "--window-size=1280,900",
        ];
        let set = arguments.iter().fold(set, |set, argument| set.and_then(|()| wanted.add_arg(argument)));
        set.and_then(|()| wanted.add_arg(&format!("--user-data-dir={}", profile.path().display())))
            .expect("the settings are plain texts");
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wanted)
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}\n{}", chromedriver.errors()));
        Self { driver, _chromedriver: chromedriver, _profile: profile }
    }

    /// Opens the one-time link and makes the first account by its form.
    ///
    /// # Panics
    /// When the form is not there, or is still there after it was sent.
    pub async fn set_up(&self, url: &str, name: &str, password: &str) {
        self.open(url).await;
        self.fill("form#setup", name, password).await;
        self.gone("form#setup").await;
    }

    /// Opens an authorization address, signs in when asked to, presses Allow, and waits until the browser has left
    /// for the client. Returns where it arrived.
    ///
    /// # Panics
    /// When a page is not as it should be; the message holds the page.
    pub async fn sign_in_and_allow(&self, url: &str, name: &str, password: &str) -> String {
        self.consent_page(url, name, password).await;
        self.answer("allow").await
    }

    /// Opens an authorization address and signs in when asked to; stops at the consent page.
    ///
    /// # Panics
    /// When the consent page does not come.
    pub async fn consent_page(&self, url: &str, name: &str, password: &str) {
        self.open(url).await;
        self.find("form#sign-in, form#consent").await;
        if self.has("form#sign-in").await {
            self.fill("form#sign-in", name, password).await;
        }
        self.find("form#consent").await;
    }

    /// Presses `allow` or `deny` on the consent page, and waits until the browser has left for the client. Returns
    /// where it arrived.
    ///
    /// # Panics
    /// When the browser stays.
    pub async fn answer(&self, answer: &str) -> String {
        let origin = self.url().await.origin();
        self.press(&format!("form#consent button[name=answer][value={answer}]")).await;
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let here = self.url().await;
            if here.origin() != origin {
                return here.into();
            }
            assert!(std::time::Instant::now() < end, "the browser stayed at {here}\n{}", self.page().await);
            self.pause().await;
        }
    }

    /// Goes to an address.
    ///
    /// # Panics
    /// When nothing answers there.
    pub async fn open(&self, url: &str) {
        if let Err(error) = self.driver.goto(url).await {
            panic!("cannot open {url}: {error}");
        }
    }

    /// Waits for an element.
    ///
    /// # Panics
    /// When it does not come; the message holds the page.
    pub async fn find(&self, css: &str) -> WebElement {
        match self.driver.query(By::Css(css)).wait(PATIENCE, POLL).first().await {
            Ok(element) => element,
            Err(_) => panic!("no `{css}` at {}\n{}", self.url().await, self.page().await),
        }
    }

    /// Whether the page holds such an element now.
    pub async fn has(&self, css: &str) -> bool {
        self.driver.find_all(By::Css(css)).await.is_ok_and(|found| !found.is_empty())
    }

    /// Waits for a button (or a link) and presses it.
    ///
    /// # Panics
    /// When it is not there or cannot be pressed.
    pub async fn press(&self, css: &str) {
        if let Err(error) = self.find(css).await.click().await {
            panic!("cannot press `{css}`: {error}\n{}", self.page().await);
        }
    }

    /// Waits until the page holds no such element.
    ///
    /// # Panics
    /// When it stays.
    pub async fn gone(&self, css: &str) {
        let end = std::time::Instant::now() + PATIENCE;
        while self.has(css).await {
            assert!(std::time::Instant::now() < end, "`{css}` stays\n{}", self.page().await);
            self.pause().await;
        }
    }

    /// The text that a person reads on the page.
    pub async fn text(&self) -> String {
        match self.find("body").await.text().await {
            Ok(text) => text,
            Err(error) => format!("(no text: {error})"),
        }
    }

    /// Closes the browser.
    ///
    /// # Errors
    /// When the driver no longer answers.
    pub async fn quit(self) -> Result<(), WebDriverError> {
        self.driver.clone().quit().await
    }

    async fn fill(&self, form: &str, name: &str, password: &str) {
        for (field, value) in [("name", name), ("password", password)] {
            let css = format!("{form} input[name={field}]");
            if let Err(error) = self.find(&css).await.send_keys(value).await {
                panic!("cannot type into `{css}`: {error}");
            }
        }
        self.press(&format!("{form} button[type=submit]")).await;
    }

    async fn url(&self) -> reqwest::Url {
        match self.driver.current_url().await {
            Ok(url) => url,
            Err(error) => panic!("the browser is gone: {error}"),
        }
    }

    async fn page(&self) -> String {
        self.driver.source().await.unwrap_or_else(|error| format!("(no page: {error})"))
    }

    /// The driver has no event for a navigation, so the address is read again and again.
    async fn pause(&self) {
        thirtyfour::support::sleep(POLL).await;
    }
}

/// Starts the driver of Chromium; gives the port that it listens on.
fn driver() -> (Running, String) {
    // It takes a free port of IPv4 and ends when somebody has the same one of IPv6: then another one will do.
    for _ in 0..5 {
        let mut driver = Running::start(Command::new(CHROMEDRIVER).arg("--port=0"));
        while let Some(line) = driver.maybe_line(PATIENCE) {
            if let Some((_, port)) = line.trim_end_matches('.').split_once("started successfully on port ") {
                return (driver, port.to_owned());
            }
        }
    }
    panic!("{CHROMEDRIVER} does not start");
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    #[tokio::test]
    async fn the_browser_shows_a_page() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let page = "<!doctype html><title>t</title><body><p id=a>hello</p></body>";
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
                let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len());
            }
        });
        let browser = Browser::start().await;
        browser.open(&format!("http://{address}/")).await;
        browser.find("p#a").await;
        assert_eq!(browser.text().await, "hello");
        assert!(!browser.has("form").await);
        browser.quit().await.unwrap();
    }
}
