//! Where the figures of the process's control group stand.

use std::path::{Component, Path, PathBuf};

use super::read;

/// The directories of the process's group and of the groups that it is in, the innermost first.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Cgroup {
    /// Of the unified hierarchy.
    V2(Vec<PathBuf>),
    /// Of the hierarchy of the one controller.
    V1(Vec<PathBuf>),
    /// The system has no such groups, or does not show them.
    None,
}

impl Cgroup {
    /// The groups that limit the process by `controller`: `memory` or `cpu`.
    ///
    /// `/proc/self/cgroup` names a group by its path from the top of the hierarchy. In a container
    /// that has not a view of its own on it, that path leads nowhere, and the container's own group
    /// is mounted at the top: see cgroups(7).
    pub(super) fn of(root: &Path, controller: &str) -> Self {
        let mount = root.join("sys/fs/cgroup");
        let groups = read(&root.join("proc/self/cgroup")).unwrap_or_default();
        let mut unified = None;
        for line in groups.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(id), Some(controllers), Some(path)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if controllers.split(',').any(|name| name == controller) {
                return Self::v1(&mount, controllers, controller, path);
            }
            if id == "0" && controllers.is_empty() {
                unified = Some(path);
            }
        }
        if mount.join("cgroup.controllers").exists() {
            Self::V2(upwards(&mount, unified.unwrap_or("/")))
        } else if mount.join(controller).exists() {
            Self::v1(&mount, controller, controller, "/")
        } else {
            Self::None
        }
    }

    /// The hierarchy is mounted by the names of all its controllers, with a link for each.
    fn v1(mount: &Path, controllers: &str, controller: &str, path: &str) -> Self {
        let joined = mount.join(controllers);
        let mount = if joined.exists() { joined } else { mount.join(controller) };
        Self::V1(upwards(&mount, path))
    }
}

/// The directory of the group `path` and all above it up to the mount, or the mount alone.
fn upwards(mount: &Path, path: &str) -> Vec<PathBuf> {
    let path = Path::new(path.trim_start_matches('/'));
    let within = path.components().all(|part| matches!(part, Component::Normal(_)));
    let group = mount.join(path);
    if !within || !group.is_dir() {
        return vec![mount.to_owned()];
    }
    group.ancestors().take_while(|above| above.starts_with(mount)).map(Path::to_owned).collect()
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::fs;

    use super::*;

    /// Directories, what `/proc/self/cgroup` says, the version and the groups that are found.
    type Row<'a> = (&'a [&'a str], Option<&'a str>, u8, &'a [&'a str]);

    /// A system that has these directories, and the process in these groups.
    fn system(directories: &[&str], groups: Option<&str>) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for directory in directories {
            fs::create_dir_all(root.path().join("sys/fs/cgroup").join(directory)).unwrap();
        }
        if let Some(groups) = groups {
            fs::create_dir_all(root.path().join("proc/self")).unwrap();
            fs::write(root.path().join("proc/self/cgroup"), groups).unwrap();
        }
        root
    }

    /// The groups that are found, as paths below the mount.
    fn found(root: &tempfile::TempDir) -> (u8, Vec<String>) {
        let (version, paths) = match Cgroup::of(root.path(), "memory") {
            Cgroup::V2(paths) => (2, paths),
            Cgroup::V1(paths) => (1, paths),
            Cgroup::None => (0, Vec::new()),
        };
        let mount = root.path().join("sys/fs/cgroup");
        let below = |path: &PathBuf| path.strip_prefix(&mount).unwrap().display().to_string();
        (version, paths.iter().map(below).collect())
    }

    #[test]
    fn finds_the_groups_of_all_arrangements() {
        let v2 = "cgroup.controllers";
        let v1 = "12:memory:/docker/f00\n3:cpu,cpuacct:/\n0::/docker/f00\n";
        let rows: &[Row<'_>] = &[
            // A service of systemd's.
            (
                &[v2, "a.slice/b.service"],
                Some("0::/a.slice/b.service\n"),
                2,
                &["a.slice/b.service", "a.slice", ""],
            ),
            // A container with a view of its own.
            (&[v2], Some("0::/\n"), 2, &[""]),
            // And without one.
            (&[v2], Some("0::/kubepods/pod1/f00\n"), 2, &[""]),
            // Moved out of its view.
            (&[v2, "a"], Some("0::/../a\n"), 2, &[""]),
            (&[v2], None, 2, &[""]),
            (&[v2], Some("garbage\n::::\n0:\n\n"), 2, &[""]),
            (
                &["memory/docker/f00", "cpu"],
                Some(v1),
                1,
                &["memory/docker/f00", "memory/docker", "memory"],
            ),
            (&["memory"], Some(v1), 1, &["memory"]),
            (&["memory"], None, 1, &["memory"]),
            // Hybrid: the unified hierarchy has no controllers.
            (
                &["unified", "memory/docker/f00"],
                Some(v1),
                1,
                &["memory/docker/f00", "memory/docker", "memory"],
            ),
            (&[], Some("0::/\n"), 0, &[]),
            (&[], None, 0, &[]),
        ];
        for (directories, groups, version, expected) in rows {
            let root = system(directories, *groups);
            let (found_version, paths) = found(&root);
            assert_eq!(found_version, *version, "{directories:?} {groups:?}");
            assert_eq!(paths, *expected, "{directories:?} {groups:?}");
        }
    }

    #[test]
    fn finds_a_hierarchy_of_several_controllers() {
        let root = system(&["cpu,cpuacct/x"], Some("3:cpu,cpuacct:/x\n"));
        let mount = root.path().join("sys/fs/cgroup/cpu,cpuacct");

        assert_eq!(Cgroup::of(root.path(), "cpu"), Cgroup::V1(vec![mount.join("x"), mount]));
    }
}
