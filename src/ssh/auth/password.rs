//! Password (RFC 4252 section 8) and keyboard-interactive (RFC 4256) with the password of the call.

use russh::client::{KeyboardInteractiveAuthResponse, Prompt};

use super::Attempt;
use super::method::AuthMethod;
use crate::ssh::credentials::{Credentials, Secret};
use crate::ssh::disconnect::Disconnect;
use crate::ssh::peer_text::one_line;

/// Prompts in one request; a login asks for one or two.
const PROMPTS_MAX: usize = 16;
/// Requests in one conversation.
const ROUNDS_MAX: usize = 8;

impl Attempt<'_> {
    pub(super) async fn password(&mut self, credentials: &Credentials) -> Option<AuthMethod> {
        let password = credentials
            .password
            .as_ref()
            .filter(|_| !self.password_given)?;
        self.failure.tried.push("password".to_owned());
        self.password_given = true;
        let username = self.failure.username.clone();
        let result = self
            .handle
            .authenticate_password(username, password.expose().to_owned())
            .await;
        self.note(result).then_some(AuthMethod::Password)
    }

    /// Answers the first hidden prompts with the password, once. A later question (a one-time code, a second
    /// password) cannot be answered and ends the attempt with the question in the error.
    pub(super) async fn keyboard_interactive(
        &mut self,
        credentials: &Credentials,
    ) -> Option<AuthMethod> {
        let password = credentials.password.as_ref()?;
        self.failure.tried.push("keyboard-interactive".to_owned());
        let username = self.failure.username.clone();
        let mut response = self
            .handle
            .authenticate_keyboard_interactive_start(username, None)
            .await;
        let mut password_left = Some(password);
        for _ in 0..ROUNDS_MAX {
            let prompts = match response {
                Ok(KeyboardInteractiveAuthResponse::Success) => {
                    return Some(AuthMethod::KeyboardInteractive);
                }
                Ok(KeyboardInteractiveAuthResponse::Failure {
                    remaining_methods, ..
                }) => {
                    self.failure.server_allows = remaining_methods.iter().map(Into::into).collect();
                    self.remaining = Some(remaining_methods);
                    return None;
                }
                Ok(KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. }) => prompts,
                Err(error) => {
                    self.failure.hung_up = Some(Disconnect::from(&error));
                    return None;
                }
            };
            let answers = answer(&prompts, &mut password_left);
            self.password_given |= password_left.is_none();
            let Some(answers) = answers else {
                self.failure.tried.push(unanswered(&prompts));
                self.question_open = true;
                return None;
            };
            response = self
                .handle
                .authenticate_keyboard_interactive_respond(answers)
                .await;
        }
        None
    }
}

/// Answers for a request, or `None` when a prompt asks for something other than the password.
fn answer(prompts: &[Prompt], password: &mut Option<&Secret>) -> Option<Vec<String>> {
    if prompts.len() > PROMPTS_MAX {
        return None;
    }
    if prompts.is_empty() {
        return Some(Vec::new());
    }
    let password = password.take()?;
    let hidden = |prompt: &Prompt| {
        if prompt.echo {
            String::new()
        } else {
            password.expose().to_owned()
        }
    };
    Some(prompts.iter().map(hidden).collect())
}

fn unanswered(prompts: &[Prompt]) -> String {
    let question = prompts.first().map_or("", |prompt| prompt.prompt.as_str());
    format!(
        "the server then asked {} question(s), the first being \"{}\"",
        prompts.len(),
        one_line(question.trim())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(text: &str, echo: bool) -> Prompt {
        Prompt {
            prompt: text.into(),
            echo,
        }
    }

    #[test]
    fn the_password_is_given_once_and_only_where_it_is_hidden() {
        let secret = Secret::new("pw".into());
        let mut left = Some(&secret);
        assert_eq!(
            answer(&[], &mut left),
            Some(vec![]),
            "no prompts need no password"
        );
        let prompts = [
            prompt("Password: ", false),
            prompt("Name: ", true),
            prompt("Again: ", false),
        ];
        assert_eq!(
            answer(&prompts, &mut left),
            Some(vec!["pw".into(), String::new(), "pw".into()])
        );
        assert_eq!(answer(&[prompt("Code: ", false)], &mut left), None);
    }

    #[test]
    fn a_flood_of_prompts_is_refused() {
        let secret = Secret::new("pw".into());
        let prompts: Vec<_> = (0..1000).map(|_| prompt("?", false)).collect();
        assert_eq!(answer(&prompts, &mut Some(&secret)), None);
        assert!(unanswered(&[prompt("\x1b[2JCode", false)]).contains("x1b[2J"));
    }
}
