//! Questions, a line each, and what becomes of them where nobody can be asked.

use std::io::BufRead as _;

use domain::harmless::harmless;
use tokio::sync::mpsc;

use super::InitError;
use crate::terminal;

/// Somebody at a terminal.
pub struct Terminal {
    lines: mpsc::UnboundedReceiver<String>,
    write: Box<dyn FnMut(&str)>,
}

impl Terminal {
    /// The one that the command was started in.
    pub fn open() -> Self {
        let (send, lines) = mpsc::unbounded_channel();
        // A thread of its own and no task: what waits for a line cannot be called off, and would keep the program from
        // ending after Ctrl-C.
        std::thread::spawn(move || {
            let mut stdin = std::io::stdin().lock();
            let mut line = Vec::new();
            while stdin.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Self {
            lines,
            write: Box::new(terminal::ask),
        }
    }

    /// Somebody who answers these lines and then presses Ctrl-D, and what they read.
    #[cfg(test)]
    pub fn scripted(answers: &[&str]) -> (Self, std::rc::Rc<std::cell::RefCell<String>>) {
        let (send, lines) = mpsc::unbounded_channel();
        let shown = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
        for answer in answers {
            send.send(format!("{answer}\n")).unwrap_or_default();
        }
        let into = shown.clone();
        let mut typed: std::collections::VecDeque<String> =
            answers.iter().map(|answer| format!("{answer}\n")).collect();
        let write = Box::new(move |text: &str| {
            into.borrow_mut().push_str(text);
            // A terminal shows what is typed behind a question.
            if text.ends_with(": ") {
                into.borrow_mut().push_str(&typed.pop_front().unwrap_or_default());
            }
        });
        (Self { lines, write }, shown)
    }
}

/// Whoever is asked, if anybody is.
pub struct Asking {
    terminal: Option<Terminal>,
    missing: Vec<String>,
}

/// One question.
pub struct Question<'q> {
    /// The option that answers it, as it is written.
    pub option: String,
    /// What is asked.
    pub words: String,
    /// What an empty line stands for; without one, there has to be an answer.
    pub default: Option<&'q str>,
}

impl Asking {
    /// Somebody is asked.
    pub fn of(terminal: Terminal) -> Self {
        Self {
            terminal: Some(terminal),
            missing: Vec::new(),
        }
    }

    /// Nobody is: defaults count, and what has none is noted.
    pub fn nobody() -> Self {
        Self {
            terminal: None,
            missing: Vec::new(),
        }
    }

    /// Whether anybody can be asked.
    pub fn is_attended(&self) -> bool {
        self.terminal.is_some()
    }

    /// The answer that was given as an option, or else one that passes the check. Nothing, where nobody can be asked and
    /// there is no default: [`Asking::complete`] tells of it.
    pub async fn about<T>(
        &mut self,
        question: &Question<'_>,
        given: Option<&str>,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, InitError> {
        let unusable = |why| InitError::Unusable {
            option: question.option.clone(),
            why,
        };
        if let Some(given) = given {
            return check(given).map(Some).map_err(unusable);
        }
        let Some(terminal) = &mut self.terminal else {
            if let Some(default) = question.default {
                return check(default).map(Some).map_err(unusable);
            }
            let Question { option, words, .. } = question;
            self.missing.push(format!("{option}: {words}"));
            return Ok(None);
        };
        loop {
            let shown = match question.default {
                None => String::new(),
                Some("") => " [none]".to_owned(),
                Some(default) => format!(" [{}]", harmless(default, 200)),
            };
            (terminal.write)(&format!("{}{shown}: ", question.words));
            let Some(line) = terminal.lines.recv().await else {
                (terminal.write)("\n");
                return Err(InitError::Stopped);
            };
            let line = line.trim();
            let answer = if line.is_empty() {
                question.default.unwrap_or_default()
            } else {
                line
            };
            match check(answer) {
                Ok(answer) => return Ok(Some(answer)),
                Err(why) => (terminal.write)(&format!("  {}\n", harmless(&why, 500))),
            }
        }
    }

    /// The same of what there may be several of: options name one each, and a line has commas between them.
    pub async fn about_all<T>(
        &mut self,
        question: &Question<'_>,
        given: Vec<String>,
        check: impl Fn(&[String]) -> Result<T, String>,
    ) -> Result<Option<T>, InitError> {
        if given.is_empty() {
            return self.about(question, None, |text| check(&list(text))).await;
        }
        let given: Vec<String> = given.into_iter().filter(|one| !one.is_empty()).collect();
        check(&given).map(Some).map_err(|why| InitError::Unusable {
            option: question.option.clone(),
            why,
        })
    }

    /// A line that is no question.
    pub fn say(&mut self, line: &str) {
        if let Some(terminal) = &mut self.terminal {
            (terminal.write)(&format!("{line}\n"));
        }
    }

    /// Notes that something is not known, and how it is said.
    pub fn missing(&mut self, option: &str) {
        self.missing.push(option.to_owned());
    }

    /// What was answered, unless something is not known.
    pub fn complete<T>(self, answers: Option<T>) -> Result<T, InitError> {
        match answers {
            Some(answers) if self.missing.is_empty() => Ok(answers),
            _ => Err(InitError::Missing(self.missing)),
        }
    }
}

/// What is separated by commas, each once.
fn list(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if all.iter().all(|known| known != part) {
            all.push(part.to_owned());
        }
    }
    all
}
