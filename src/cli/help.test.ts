import { describe, expect, test } from "bun:test";
import { groups, topLevel } from "./commands.ts";
import { commandReference } from "./reference.ts";
import { banger } from "./testing/harness.ts";

const everyCommand = [
  ...Object.entries(groups).flatMap(([name, group]) =>
    Object.keys(group.commands).map((word) => [name, word]),
  ),
  ...Object.keys(topLevel).map((word) => [word]),
];

describe("help", () => {
  test("of banger itself", async () => {
    expect((await banger([])).out).toMatchInlineSnapshot(`
      "throw-away Linux machines for developers, in one command

      Examples:
        banger vm run ./repo -- make test  a command on a repository, in a fresh VM
        banger vm run --rm                 a shell in a VM that goes away afterwards
        banger vm list                     what runs

      Commands:
        vm           run, enter and manage virtual machines
        image        list, fetch, make and delete images
        kernel       list, fetch and remove kernels
        template     look after the templates that new VMs go on from, instead of
                     booting
        daemon       look after bangerd, the daemon that owns the VMs
        system       install banger's services, restart and remove them
        firecracker  fetch Firecracker, the VMM of the supported path
        ps           list VMs
        events       follow what happens to VMs, images, kernels and templates
        tui          look after VMs in a live table: shells, logs, stop, start, delete
        df           show what banger takes of this machine's disk
        prune        remove VMs that do not run, and what no other VM needs
        init         write a banger.toml for a repository, after a look at it
        doctor       check this machine: what works, what is missing, what to do
        update       bring banger itself to another version; running VMs go on
        completion   print a script that lets your shell complete banger's commands
        ssh-config   have plain ssh, scp, rsync and editors reach VMs as NAME.vm
        version      print the version, its commit and when it was built

      Every command takes --quiet, --verbose and --help.

      More: banger <command> --help
      "
      `);
  });

  test("of a group, which is what a group without a subcommand prints", async () => {
    const { status, out } = await banger(["vm"]);
    expect(status).toBe(0);
    expect(out).toMatchInlineSnapshot(`
      "run, enter and manage virtual machines

      start boots a VM that exists, stop powers it off in order, restart does both,
      pause halts it and resume lets it go on, suspend saves its memory and start
      goes on from there, kill ends it at once, delete removes it with its disks.

      Examples:
        banger vm run ./repo -- make test      a command on a repository, in a fresh
                                               VM
        banger vm run --rm                     a shell in a VM that goes away
                                               afterwards
        banger vm exec calm-otter -- uname -a  a command in a running VM
        banger vm stop calm-otter              power off; disks are kept

      Commands:
        run           make a VM, put a repository in it, and run a command or a shell
        create        make a VM that stays, and start it
        start         start stopped VMs
        stop          stop VMs in order, keeping their disks
        restart       stop and start VMs
        pause         halt running VMs
        resume        let paused VMs go on
        suspend       save running VMs' memory to the disk, and free it
        fork          copy a running VM, processes and all
        snapshot      keep what a VM is, memory and disks, and go back to it
        set           change VMs' size, or their way out
        kill          end VMs at once, keeping their disks
        delete        delete VMs with all their disks
        list          list VMs
        show          show everything about a VM
        stats         show what VMs take: processor, memory, disk, network
        ping          ask whether VMs' guests answer, and how fast
        ssh           log in to a running VM with ssh
        exec          run a command in a running VM
        cp            copy files and directories into a running VM, out of it, or
                      between two
        ports         list what listens in running VMs
        port-forward  let ports of this host lead to ports of a running VM
        diff          show what has changed in a VM's workspace since it was copied
        pull          bring a VM's commits and changes back into the repository on
                      this machine
        workspace     copy a repository into a VM that runs, or write its changes as a
                      patch
        logs          show what a VM's console printed
        prune         delete every VM that is stopped

      Also understood: ls for list, ps for list, rm for delete, health for ping

      More: banger vm <command> --help
      "
    `);
  });

  test("of vm run", async () => {
    expect((await banger(["vm", "run", "--help"])).out).toMatchInlineSnapshot(`
      "make a VM, put a repository in it, and run a command or a shell

      Examples:
        banger vm run ./repo -- make test           run a command on a repository
        banger vm run --rm ./repo -- sh -c 'make && make check'
            and leave no VM behind
        banger vm run ./repo                        a shell in the repository
        banger vm run -d ./repo                     only make it ready, and print its
                                                    name
        banger vm run --rm -- cat /etc/os-release   a command without a repository
        banger vm run -p 8080 ./repo -- make serve  its port 8080 on localhost:8080
        banger vm run ./repo --dry-run              only list what would be copied

      Usage:
        banger vm run [flags] [path] [-- command...]

      With a path, the git-tracked files of its repository go to /root/repo as they
      are in the working tree, with a usable .git. With a command its exit status is
      banger's; without one a shell opens, and how that ends is nobody's status. The
      VM stays afterwards, unless --rm is given. What the repository's banger.toml
      asks for (image, size, commands: docs/project-file.md) counts where no flag
      says otherwise; without one, what its devcontainer.json has of that. Where it
      has files of mise, its tools are installed for a shell, in the background.

      Arguments:
        path     a directory inside a git repository
        command  command for the guest, with its arguments; its status is banger's

      Flags:
        -n, --name NAME                      name of the VM (a-z, 0-9, '-'; default: a
                                             made-up one)
        -i, --image IMAGE                    image to boot, or a container image to
                                             pull for it: registry/name:tag (default:
                                             default_image_name in config.toml)
            --vcpu COUNT                     virtual CPUs (default: config.toml, else
                                             what suits the host)
            --memory SIZE                    memory (default: config.toml, else what
                                             suits the host)
            --disk-size SIZE                 size of the disk at /root (default:
                                             config.toml, else 8G)
            --nat                            let the VM reach the network outside
            --cold                           boot it, even if there is a template that
                                             it could go on from
            --rm                             delete the VM afterwards, whatever the
                                             command's status
        -b, --branch NAME                    make this branch in the VM's copy and
                                             switch to it
            --from REF                       with --branch: where the branch begins
                                             (default: HEAD)
            --include-untracked              copy untracked files too; ignored ones
                                             only with --include
            --include PATH                   copy this file or directory of it too,
                                             even if git ignores it (repeatable)
        -p, --publish [HOSTADDR:]HOST:GUEST  let a port of this host lead to one of
                                             the VM while the run lasts; repeatable
            --user USER[:GROUP]              who the command runs as in the guest, by
                                             name or number (default: root in a
                                             workspace, else the image's user)
            --dry-run                        list what would be copied and do nothing
        -d, --detach                         no shell: make the VM ready, print its
                                             name and leave it running
            --no-bootstrap                   leave the repository's tools (mise) alone
            --no-project                     do not read banger.toml or
                                             devcontainer.json
      "
    `);
  });

  test("of vm exec", async () => {
    expect((await banger(["vm", "exec", "-h"])).out).toMatchInlineSnapshot(`
      "run a command in a running VM

      Examples:
        banger vm exec calm-otter -- make test  in the workspace
        banger vm exec calm-otter --auto-prepare -- make test
            with what is here now
        banger vm exec calm-otter --guest-path /etc -- ls -l
            in another directory
        banger vm exec calm-otter -- sh -c 'ps | wc -l'
            through a shell

      Usage:
        banger vm exec [flags] <vm> -- <command...>

      The command runs in the VM's workspace, as root; in a VM without one where a
      container image says, as the user that it says, else in /root as root. It runs
      not through a shell, and with the tools that the repository names to mise, if
      it does. On a terminal it gets a terminal; otherwise its three streams stay
      separate. Its exit status is banger's. With --auto-prepare the repository is
      copied again first, as vm workspace prepare does, unless nothing has changed
      here.

      Arguments:
        vm       name, id or beginning of the id
        command  the command and its arguments

      Flags:
        -w, --guest-path DIR     directory in the guest to run in (default: the
                                 workspace, else as the image says, or /root)
            --user USER[:GROUP]  who the command runs as in the guest, by name or
                                 number (default: root in a workspace, else the
                                 image's user)
            --auto-prepare       first copy the repository again, if it has changed
      "
    `);
  });

  test.each(everyCommand)(
    "of %s %s has a purpose, an example and a usage line, and needs no daemon",
    async (...words) => {
      const path = words.filter((word) => word !== undefined && word !== "");
      const { status, out, err } = await banger([...path, "--help"]);
      expect([status, err]).toEqual([0, ""]);
      expect(out).toMatch(/^[a-z][^\n]{5,77}\n\nExamples:\n {2}banger /);
      expect(out).toContain(`\nUsage:\n  banger ${path.join(" ")}`);
      expect(out.split("\n").filter((line) => line.length > 80)).toEqual([]);
    },
  );

  test("is the same by --help, -h and the word help, wherever it stands", async () => {
    const outputs = await Promise.all(
      [
        ["vm", "stop", "--help"],
        ["vm", "stop", "x", "-h"],
        ["help", "vm", "stop"],
        ["--help", "vm", "stop"],
      ].map(async (words) => (await banger(words)).out),
    );
    expect(new Set(outputs).size).toBe(1);
  });

  test("asked after -- is the command's own", async () => {
    const { out, status } = await banger(["vm", "list", "--", "--help"]);
    expect([out, status]).toEqual(["", 1]);
  });

  test("hides what is not for people", async () => {
    expect((await banger(["--help"])).out).not.toContain("internal");
  });
});

test("version is three lines, --version one", async () => {
  expect((await banger(["version"])).out).toMatch(/^version: .+\ncommit: .+\nbuilt-at: .+\n$/);
  expect((await banger(["--version"])).out).toMatch(/^banger .+ \(commit .+, built .+\)\n$/);
});

test("docs/commands.md is up to date", async () => {
  const page = await Bun.file(`${import.meta.dir}/../../docs/commands.md`).text();
  expect(page === (await commandReference()) ? "up to date" : "stale: bun scripts/gen.ts").toBe("up to date");
});
