//! `bitcraps hand`: scripted hands.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::Path;

use anyhow::Context as _;
use bitcraps_protocol::craps::Rules;
use bitcraps_tokio::hands::{self, PlayError, Played};
use bitcraps_tokio::house::House;

use crate::cli::HandPlay;
use crate::exit::Usage;

/// Plays a hand file; answers are JSON, whatever the output is otherwise.
pub(crate) fn play(arguments: &HandPlay) -> anyhow::Result<()> {
    let rules = rules(arguments.rules.as_deref())?;
    let output = BufWriter::new(io::stdout().lock());
    let played = if arguments.file.as_os_str() == "-" {
        hands::play(io::stdin().lock(), output, &rules, arguments.keep_going)
    } else {
        let file = File::open(&arguments.file)
            .with_context(|| format!("cannot read {}", arguments.file.display()))?;
        hands::play(BufReader::new(file), output, &rules, arguments.keep_going)
    };
    match played {
        Ok(Played { bad_lines: 0, .. }) => Ok(()),
        Ok(Played { bad_lines, .. }) => {
            Err(Usage(format!("{bad_lines} lines could not be played")).into())
        }
        Err(PlayError::Bad(bad)) => Err(Usage(bad.to_string()).into()),
        Err(PlayError::Io(error)) => Err(error.into()),
    }
}

/// The rules of a file, or the standard profile.
pub(crate) fn rules(file: Option<&Path>) -> anyhow::Result<Rules> {
    let Some(file) = file else { return Ok(Rules::default()) };
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let wrong = |bad| Usage(format!("{}: {bad}", file.display()));
    Ok(House::read(&text).map_err(wrong)?)
}
