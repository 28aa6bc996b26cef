# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for vfhook: commands, phases, options, VM ids, pools, PFs, slots.

function __vfhook_vms
    for f in /etc/pve/qemu-server/*.conf
        basename $f .conf
    end
end

function __vfhook_pools
    sed -n 's/^pool: *\([A-Za-z0-9_.-]*\).*/\1/p' /etc/pve/vfhook.cfg 2>/dev/null
end

function __vfhook_pfs
    for f in /sys/class/net/*/device/sriov_totalvfs
        string replace -r '.*/([^/]*)/device/.*' '$1' $f
    end
end

# The words before the cursor that are no options, without the program's name.
function __vfhook_args
    set -l skip 0
    for w in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if test "$w" = --root
            set skip 1
        else if not string match -q -- '-*' "$w"
            echo -- $w
        end
    end
end

# No command and no VM id yet.
function __vfhook_first
    test (count (__vfhook_args)) = 0
end

# One of these commands.
function __vfhook_is
    set -l args (__vfhook_args)
    contains -- "$args[1]" $argv
end

# One of these commands, and no VM id yet.
function __vfhook_wants_vm
    __vfhook_is $argv; and not string match -qr '^[0-9]+$' -- (__vfhook_args)
end

# A VM id and no phase yet.
function __vfhook_wants_phase
    set -l args (__vfhook_args)
    test (count $args) = 1; and string match -qr '^[0-9]+$' -- $args[1]
end

# A command's own word: __vfhook_word pool add, behind "pool add"; without one, behind "pool".
function __vfhook_word
    set -l args (__vfhook_args)
    test "$args[1]" = "$argv[1]"; and test "$args[2]" = "$argv[2]"
end

# The ports of a VM, as slots; all of 0..15 for attach.
function __vfhook_slots
    set -l vmid (__vfhook_args | string match -r '^[0-9]+$')
    if __vfhook_is attach
        seq 0 15
    else
        sed -n "s/^port: *$vmid[1]-\([0-9]*\).*/\1/p" /etc/pve/vfhook.cfg 2>/dev/null
    end
end

complete -c vfhook -f

complete -c vfhook -n __vfhook_first -a attach -d 'Give a VM a port: a VF of its own from its next start on'
complete -c vfhook -n __vfhook_first -a boot -d 'Make and park this node\'s VFs; systemd runs it at boot'
complete -c vfhook -n __vfhook_first -a check -d 'Is everything there that a VM with a VF needs?'
complete -c vfhook -n __vfhook_first -a detach -d 'Take a port from a VM, and all that attach made for it'
complete -c vfhook -n __vfhook_first -a evacuate -d 'Unplug every VM from the VFs of a PF'
complete -c vfhook -n __vfhook_first -a events -d 'What happened on this node, and what happens'
complete -c vfhook -n __vfhook_first -a explain -d 'Why the last start was refused, or what the VM got'
complete -c vfhook -n __vfhook_first -a fdb -d 'Let guests on a bridge and on VFs of one NIC talk'
complete -c vfhook -n __vfhook_first -a host -d 'Kernel command line and modules'
complete -c vfhook -n __vfhook_first -a metrics -d 'All of that as OpenMetrics text, for node_exporter'
complete -c vfhook -n __vfhook_first -a plug -d 'Give a running VM the VFs that it lacks'
complete -c vfhook -n __vfhook_first -a pool -d 'Which PFs lead to which network'
complete -c vfhook -n __vfhook_first -a release -d 'Give back the VFs of a VM that is not running'
complete -c vfhook -n __vfhook_first -a repair -d 'Compare what is written down with what is true, and mend it'
complete -c vfhook -n __vfhook_first -a report -d 'Status, what check finds, what happened: one page'
complete -c vfhook -n __vfhook_first -a set -d 'Change the settings of a port, on a running VM at once'
complete -c vfhook -n __vfhook_first -a status -d 'Every VF of the pools: who has it, how it is set, what is wrong'
complete -c vfhook -n __vfhook_first -a unplug -d 'Take the VFs from a running VM, and keep them for it'
complete -c vfhook -n __vfhook_first -a '(__vfhook_vms)' -d VM
complete -c vfhook -n __vfhook_first -l root -x -a '(__fish_complete_directories)' -d 'Take every file below DIR'
complete -c vfhook -n __vfhook_first -l version -d 'Tell the version'
complete -c vfhook -l help -d 'Tell how it is called'

complete -c vfhook -n __vfhook_wants_phase -a 'pre-start post-start pre-stop post-stop'
complete -c vfhook -n '__vfhook_wants_vm attach set detach release events explain unplug plug' -a '(__vfhook_vms)' -d VM
complete -c vfhook -n '__vfhook_word host' -a 'prepare restore'
complete -c vfhook -n '__vfhook_word fdb' -a 'list clear'
complete -c vfhook -n '__vfhook_word pool' -a 'add list remove'
complete -c vfhook -n '__vfhook_word pool remove' -a '(__vfhook_pools)'

set -l wishes '__vfhook_is attach set'
complete -c vfhook -n $wishes -l mac -x -a auto -d 'The MAC that the guest sees'
complete -c vfhook -n $wishes -l vlan -x -d '0 to 4094; 0: no VLAN'
complete -c vfhook -n $wishes -l vlan-qos -x -d '0 to 7'
complete -c vfhook -n $wishes -l vlan-proto -x -a '802.1Q 802.1ad' -d 'Protocol of the tag'
complete -c vfhook -n $wishes -l spoofchk -x -a 'on off' -d 'Let the NIC drop frames with a forged MAC'
complete -c vfhook -n $wishes -l trust -x -a 'on off' -d 'Let the guest change its MAC, be promiscuous'
complete -c vfhook -n $wishes -l min-rate -x -d 'Guaranteed Mbit/s, 0: none'
complete -c vfhook -n $wishes -l max-rate -x -d 'Limit in Mbit/s, 0: none'
complete -c vfhook -n $wishes -l link-state -x -a 'auto enable disable' -d 'The link that the guest sees'
complete -c vfhook -n $wishes -l query-rss -x -a 'on off' -d 'Let the guest read its RSS configuration'
complete -c vfhook -n $wishes -l mtu -x -d 'Of a container'
complete -c vfhook -n $wishes -l live-migration -x -a 'on off' -d 'PVE may migrate the VM while it runs'
complete -c vfhook -n '__vfhook_is evacuate' -a '(__vfhook_pfs)' -d PF
complete -c vfhook -n '__vfhook_is unplug evacuate' -l wait -x -d 'How long a guest may take, in seconds'
complete -c vfhook -n '__vfhook_is attach set detach' -l name -x -d 'Of a container: its interface there'
complete -c vfhook -n '__vfhook_is attach set detach unplug plug' -l slot -x -a '(__vfhook_slots)' -d 'The N of hostpciN'
complete -c vfhook -n '__vfhook_is attach status' -l pool -x -a '(__vfhook_pools)' -d 'The pool'
complete -c vfhook -n '__vfhook_is attach' -l hostpci -x -d 'Other properties of hostpciN: rombar=0,...'
complete -c vfhook -n '__vfhook_is attach' -l take-over -d 'Of the VF that hostpciN names by hand, set as it is now'

complete -c vfhook -n '__vfhook_word pool add' -l pf -x -a '(__vfhook_pfs)' -d 'Interface, altname or PCI address'
complete -c vfhook -n '__vfhook_word pool add' -l vfs -x -d 'How many VFs each PF is to have'
complete -c vfhook -n '__vfhook_word pool add' -l host-vfs -x -d 'VFs that are this host\'s own'
complete -c vfhook -n '__vfhook_word pool add' -l allow-pf-down -d 'Start VMs even while the PF is down'
complete -c vfhook -n '__vfhook_word pool add' -l fdb -x -a 'on off' -d 'Let guests on bridges over the PFs and on their VFs talk'

complete -c vfhook -n '__vfhook_first; or __vfhook_is attach set detach release repair boot host fdb unplug plug evacuate; or __vfhook_word pool add; or __vfhook_word pool remove' -l dry-run -d 'Tell what would be done, and do nothing'
complete -c vfhook -n '__vfhook_is explain check fdb; or __vfhook_word pool list' -l output-format -x -a 'text json json-pretty' -d 'Text, or JSON for programs'
complete -c vfhook -n '__vfhook_is status' -l output-format -x -a 'text json json-pretty svg' -d 'Text, JSON for programs, or a picture'
complete -c vfhook -n '__vfhook_is events' -l output-format -x -a 'text json' -d 'Text, or one object a line'
complete -c vfhook -n '__vfhook_is events' -l follow -d 'What happens from now on, too'
complete -c vfhook -n '__vfhook_is events' -l lines -x -d 'Only the last of those there are'
complete -c vfhook -n '__vfhook_is repair' -l check -d 'Only tell what is wrong'
complete -c vfhook -n '__vfhook_is status' -l graph -d 'A tree: node, card, PF, VF, guest'
complete -c vfhook -n '__vfhook_is status report' -l cluster -d 'That of all nodes'
complete -c vfhook -n '__vfhook_is report' -l html -r -F -d 'Write it into that file'
complete -c vfhook -n '__vfhook_is status' -l watch -d 'Again and again until Ctrl-C'
complete -c vfhook -n '__vfhook_is status' -l interval -x -d 'Every so many seconds'
complete -c vfhook -n '__vfhook_is boot' -l early -d 'Only make the VFs'
complete -c vfhook -n '__vfhook_is boot' -l timeout -x -d 'How long all of it may take, in seconds'
complete -c vfhook -n '__vfhook_is host' -l apply -d 'Do it'
complete -c vfhook -n '__vfhook_is fdb' -l once -d 'Make the filters right, and end'
complete -c vfhook -n '__vfhook_is metrics' -l output -r -F -d 'Write it into that file'
