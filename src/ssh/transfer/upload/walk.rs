//! Walks a local tree before its upload.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use rustix::fs::FileType;

use crate::policy::{self, LocalPolicy, Rules};
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::{self, Dir, Metadata};
use crate::ssh::transfer::tree::{self, DirectoryNode, FileNode, LinkNode, Tree};

/// The result of a walk.
#[derive(Default)]
pub(super) struct Found {
    pub(super) tree: Tree,
    /// Entries that are left out, each with the reason.
    pub(super) skipped: Vec<String>,
}

/// Lists the tree below `base`; also gives the open directory.
pub(super) fn walk(base: &Path, policy: &LocalPolicy) -> Result<(Dir, Found), TransferError> {
    let root = Dir::open(base).map_err(|error| TransferError::io(&policy::shown(base), &error))?;
    let mut walk = Walk {
        base,
        root: &root,
        rules: policy.rules(),
        found: Found::default(),
        waiting: vec![String::new()],
    };
    while let Some(directory) = walk.waiting.pop() {
        walk.list(&directory)?;
    }
    let found = walk.found;
    Ok((root, found))
}

struct Walk<'a> {
    base: &'a Path,
    root: &'a Dir,
    rules: Rules,
    found: Found,
    /// Directories that are not listed yet.
    waiting: Vec<String>,
}

impl Walk<'_> {
    fn list(&mut self, at: &str) -> Result<(), TransferError> {
        let directory = self.base.join(at);
        let shown = policy::shown(&directory);
        let failed = |error: &io::Error| TransferError::io(&shown, error);
        for entry in std::fs::read_dir(&directory).map_err(|error| failed(&error))? {
            self.found.tree.check_size(1)?;
            let name = entry.map_err(|error| failed(&error))?.file_name();
            let Some(text) = name.to_str() else {
                let name = name.as_encoded_bytes().escape_ascii().to_string();
                let skipped = format!("\"{name}\" in {shown:?}: its name is not UTF-8");
                self.found.skipped.push(skipped);
                continue;
            };
            let path = tree::join_below(at, text);
            tree::check_depth(&path)?;
            self.add_entry(path)?;
        }
        Ok(())
    }

    fn add_entry(&mut self, path: String) -> Result<(), TransferError> {
        let full_path = self.base.join(&path);
        let shown = policy::shown(&full_path);
        let failed = |error: io::Error| TransferError::io(&shown, &error);
        let (above, name) = tree::split_below(&path);
        let directory = self.root.descend(tree::components(above)).map_err(failed)?;
        let stat = match directory.stat(OsStr::new(name)) {
            Ok(stat) => stat,
            // The entry was removed during the walk.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let found = &mut self.found;
        match local::file_type(&stat) {
            FileType::Directory => {
                let metadata = Some(Metadata::from_stat(&stat));
                self.waiting.push(path.clone());
                found
                    .tree
                    .directories
                    .push(DirectoryNode { path, metadata });
            }
            FileType::RegularFile => {
                if self.rules.check_source(&full_path).is_err() {
                    found.skipped.push(format!("{shown:?}: a file of ~/.ssh"));
                    return Ok(());
                }
                let size = u64::try_from(stat.st_size).unwrap_or_default();
                found.tree.files.push(FileNode { path, size });
            }
            FileType::Symlink => {
                let text = directory.read_link(OsStr::new(name)).map_err(failed)?;
                match text.into_string() {
                    Ok(text) => found.tree.links.push(LinkNode { path, text }),
                    Err(_) => {
                        let skipped = format!("{shown:?}: what the link holds is not UTF-8");
                        found.skipped.push(skipped);
                    }
                }
            }
            _ => found.skipped.push(format!("{shown:?}: a special file")),
        }
        Ok(())
    }
}
