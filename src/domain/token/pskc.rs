//! OATH tokens out of a PSKC file (RFC 6030).

use super::file::{BadLine, Described, File, seed};
use super::table::{Details, material};
use crate::base::Timestamp;
use crate::wire::pskc::{self, Package, Problem, Unlock, Validity};

/// Seconds that a code lasts where the file does not say.
const PERIOD: u32 = 30;

/// Reads a file.
pub(crate) fn read(text: &str, unlock: Option<&Unlock>, now: Timestamp) -> File {
    let mut file = File::default();
    let contents = match pskc::read(text, unlock) {
        Ok(contents) => contents,
        Err(Problem { line, what }) => {
            file.reject(line, what);
            return file;
        }
    };
    for key in contents.keys {
        match key {
            Ok(package) => {
                let line = package.line;
                file.take(line, token(package, now));
            }
            Err(Problem { line, what }) => file.reject(line, what),
        }
    }
    if let Some(line) = contents.signature {
        let problem = "the file is signed; that is not verified here, but by `pskctool --verify`".to_owned();
        file.notes.push(BadLine { line, problem });
    }
    file.finish()
}

fn token(package: Package, now: Timestamp) -> Result<Described, String> {
    let mut notes = Vec::new();
    let day = |at: Timestamp| at.to_string().chars().take(10).collect::<String>();
    match package.validity {
        Validity { begins: Some(begins), .. } if begins > now => {
            return Err(format!("it may not be used before {}; import it then", day(begins)));
        }
        Validity { ends: Some(ends), .. } if ends <= now => {
            return Err(format!("it may not be used since {}", day(ends)));
        }
        Validity { ends: Some(ends), .. } => notes
            .push(format!("it may be used until {}, which is not watched here: revoke it then", day(ends))),
        Validity { ends: None, .. } => {}
    }
    if package.drift != 0 {
        notes.push(format!(
            "its clock is said to be {} steps off; if its codes are refused, `doorward factor resync` finds them",
            package.drift
        ));
    }
    let details = Details {
        counter: package.counter,
        period: package.period.unwrap_or(PERIOD),
        algorithm: package.suite.as_deref(),
    };
    let seed = seed(package.secret.expose().clone())?;
    let (material, next) = material(&package.algorithm, seed, package.digits, &details)?;
    let described = Described::from((package.serial, material, next));
    Ok(Described { maker: package.maker, notes, ..described })
}
