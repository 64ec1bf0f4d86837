//! OATH tokens out of a PSKC file (RFC 6030).

use super::file::{BadLine, File, seed};
use super::table::{Details, material};
use crate::base::Timestamp;
use crate::wire::pskc::{self, Package, Problem, Unlock};

/// Seconds that a code lasts where the file does not say.
const PERIOD: u32 = 30;

/// Reads a file.
pub(crate) fn read(text: &str, unlock: Option<&Unlock>, _now: Timestamp) -> File {
    let mut file = File::default();
    let packages = match pskc::read(text, unlock) {
        Ok(packages) => packages,
        Err(Problem { line, what }) => {
            file.bad.push(BadLine { line, problem: what });
            return file;
        }
    };
    for package in packages {
        match package {
            Ok(package) => {
                let line = package.line;
                file.take(line, token(package));
            }
            Err(Problem { line, what }) => file.reject(line, what),
        }
    }
    file.finish()
}

fn token(package: Package) -> Result<(String, crate::domain::factor::Material, u64), String> {
    let details = Details {
        counter: package.counter,
        period: package.period.unwrap_or(PERIOD),
        algorithm: package.suite.as_deref(),
    };
    let seed = seed(package.secret.expose().clone())?;
    let (material, next) = material(&package.algorithm, seed, package.digits, &details)?;
    Ok((package.serial, material, next))
}
