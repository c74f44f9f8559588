//! Lists a tree on the host before its download. All names come from the host, and each is checked before it becomes
//! part of a path.

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::limits;
use crate::ssh::sftp::wire::{Attributes, FileKind, file_kind};
use crate::ssh::sftp::{Entry, Sftp};
use crate::ssh::transfer::error::TransferError;
use crate::ssh::transfer::local::Metadata;
use crate::ssh::transfer::names::{self, Listed};
use crate::ssh::transfer::report::Report;
use crate::ssh::transfer::tree::{self, DirectoryNode, FileNode, LinkNode, Tree, list_directory};

/// Directories listed concurrently.
const LISTINGS_AT_ONCE: usize = 16;
/// Permissions of directories whose host sends none.
const MODE_DEFAULT: u32 = 0o755;

/// Lists the tree below `root`, level by level. Skipped entries go to the report.
pub(super) async fn walk(sftp: &Sftp, report: &Report, root: &str) -> Result<Tree, TransferError> {
    let mut walk = Walk {
        sftp,
        report,
        root,
        tree: Tree::default(),
    };
    let mut level = vec![String::new()];
    while !level.is_empty() {
        level = walk.list_level(level).await?;
    }
    walk.read_links().await?;
    Ok(walk.tree)
}

struct Walk<'a> {
    sftp: &'a Sftp,
    report: &'a Report,
    root: &'a str,
    tree: Tree,
}

impl Walk<'_> {
    /// Lists the directories of a level; gives those of the next level.
    async fn list_level(&mut self, level: Vec<String>) -> Result<Vec<String>, TransferError> {
        let (sftp, root) = (self.sftp, self.root);
        let listings: Vec<_> = stream::iter(level)
            .map(|at| async move {
                let path = full_path(root, &at);
                let entries = list_directory(sftp, &path, limits::TREE_NAMES_MAX).await?;
                Ok::<_, TransferError>((at, entries))
            })
            .buffered(LISTINGS_AT_ONCE)
            .try_collect()
            .await?;
        let mut next_level = Vec::new();
        for (at, entries) in listings {
            self.tree.check_size(entries.len())?;
            for entry in entries {
                self.add_entry(&at, entry, &mut next_level)?;
            }
        }
        Ok(next_level)
    }

    fn add_entry(
        &mut self,
        at: &str,
        entry: Entry,
        next_level: &mut Vec<String>,
    ) -> Result<(), TransferError> {
        let name = match names::check_listed(&entry.name) {
            Listed::Name(name) => name,
            Listed::Own => return Ok(()),
            Listed::NotText(shown) => {
                let directory = full_path(self.root, at);
                let skipped = format!("{shown} in {directory:?}: its name is not UTF-8");
                self.report.add_skipped(&skipped);
                return Ok(());
            }
            Listed::Impossible(shown) => {
                let reason = format!(
                    "the server lists the impossible name \"{shown}\"; nothing was written, do not trust this host"
                );
                return Err(TransferError::remote(&full_path(self.root, at), reason));
            }
        };
        let path = tree::join_below(at, &name);
        tree::check_depth(&path)?;
        match file_kind(&entry.attributes) {
            FileKind::File => self.tree.files.push(FileNode {
                path,
                size: entry.attributes.size.unwrap_or_default(),
            }),
            FileKind::Directory => {
                self.tree.directories.push(DirectoryNode {
                    path: path.clone(),
                    metadata: Some(directory_metadata(&entry.attributes)),
                });
                next_level.push(path);
            }
            FileKind::Link => self.tree.links.push(LinkNode {
                path,
                text: String::new(),
            }),
            FileKind::Special => {
                let path = full_path(self.root, &path);
                self.report
                    .add_skipped(&format!("{path:?}: a special file"));
            }
        }
        Ok(())
    }

    /// Reads the texts of all links; links whose text is unusable are skipped.
    async fn read_links(&mut self) -> Result<(), TransferError> {
        let (sftp, report, root) = (self.sftp, self.report, self.root);
        let links = std::mem::take(&mut self.tree.links);
        let links: Vec<Option<LinkNode>> = stream::iter(links)
            .map(|link| async move {
                let path = full_path(root, &link.path);
                let reading = async { sftp.read_link(&path).await?.single_name().await };
                let text = reading
                    .await
                    .map_err(|error| TransferError::sftp(&path, error))?;
                match String::from_utf8(text.to_vec()) {
                    Ok(text) if !text.is_empty() && !text.contains('\0') => {
                        Ok::<_, TransferError>(Some(LinkNode { text, ..link }))
                    }
                    _ => {
                        let skipped = format!("{path:?}: what the link holds is not UTF-8");
                        report.add_skipped(&skipped);
                        Ok(None)
                    }
                }
            })
            .buffered(limits::SFTP_REQUESTS_MAX)
            .try_collect()
            .await?;
        self.tree.links = links.into_iter().flatten().collect();
        Ok(())
    }
}

/// Path on the host of an entry below the root.
fn full_path(root: &str, below: &str) -> String {
    if below.is_empty() {
        root.to_owned()
    } else {
        names::join(root, below)
    }
}

fn directory_metadata(attributes: &Attributes) -> Metadata {
    let mode = attributes
        .permissions
        .map_or(MODE_DEFAULT, |mode| mode & 0o777);
    let modified = i64::from(attributes.mtime.unwrap_or_default());
    Metadata {
        mode,
        accessed: attributes.atime.map_or(modified, i64::from),
        modified,
    }
}
