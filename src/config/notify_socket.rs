//! What a service manager left in the environment for whoever it started: where it listens, and how long it waits.

use std::time::Duration;

use actors::herald::NotifySocket;

use super::Error;
use super::environment::Environment;

/// Where it listens.
const SOCKET: &str = "NOTIFY_SOCKET";
/// How long it waits for a sign of life, in microseconds.
const PATIENCE: &str = "WATCHDOG_USEC";
/// Whom it waits for: the variable may be inherited from somebody else's.
const PATIENCE_WITH: &str = "WATCHDOG_PID";

/// The manager that started the process `own`, if one did.
pub(super) fn find(environment: &Environment, own: u32) -> Result<Option<NotifySocket>, Error> {
    let Some(socket) = environment.get(SOCKET) else { return Ok(None) };
    let bad = |source| Error::ServiceManager { variable: SOCKET, source };
    NotifySocket::try_new(socket, patience(environment, own)?).map(Some).map_err(bad)
}

fn patience(environment: &Environment, own: u32) -> Result<Option<Duration>, Error> {
    let with = environment.text(PATIENCE_WITH)?;
    if with.is_some_and(|with| with.parse() != Ok(own)) {
        return Ok(None);
    }
    let Some(micros) = environment.text(PATIENCE)? else { return Ok(None) };
    let micros: Option<u64> = micros.parse().ok().filter(|micros| *micros > 0);
    let bad = || Error::ServiceManager {
        variable: PATIENCE,
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is to be a number of microseconds"),
    };
    micros.map(|micros| Some(Duration::from_micros(micros))).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience_in(variables: &[(&str, &str)]) -> Result<Option<Duration>, Error> {
        patience(&variables.iter().copied().collect(), 7)
    }

    #[test]
    fn waits_only_for_whom_it_names() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(patience_in(&[(PATIENCE, "1000000")]).unwrap(), second);
        assert_eq!(patience_in(&[(PATIENCE, "1000000"), (PATIENCE_WITH, "7")]).unwrap(), second);
        assert_eq!(patience_in(&[(PATIENCE, "1000000"), (PATIENCE_WITH, "8")]).unwrap(), None);
        assert_eq!(patience_in(&[]).unwrap(), None);
        assert!(patience_in(&[(PATIENCE, "soon")]).unwrap_err().to_string().contains(PATIENCE));
        assert!(patience_in(&[(PATIENCE, "0")]).is_err());
    }

    #[test]
    fn without_a_socket_there_is_none() {
        assert!(find(&Environment::default(), 7).unwrap().is_none());
        let too_long = "/x".repeat(200);
        let environment: Environment = [(SOCKET, too_long.as_str())].into_iter().collect();
        assert!(find(&environment, 7).unwrap_err().to_string().contains(SOCKET));
    }
}
