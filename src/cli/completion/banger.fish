# Completion of banger for fish. Made by: banger completion fish

function __banger_complete
    set -l typed (commandline -opc) (commandline -ct)
    set -l answer (command banger internal complete -- $typed[2..-1] 2>/dev/null </dev/null)
    or return
    # fish quotes what it inserts, and takes what is behind the tab for the description.
    for line in $answer[2..-1]
        echo $line
    end
    set -l word (commandline -ct)
    # An empty list would take what is joined to it away.
    set -l begun (string match -r -- '^--[a-z-]+=' $word; or echo)
    set -l path (string replace -r -- '^--[a-z-]+=' '' $word)
    switch "$answer[1]"
        case files
            for found in (__fish_complete_path $path)
                echo $begun$found
            end
        case directories
            for found in (__fish_complete_directories $path '')
                echo $begun$found
            end
    end
end

complete -c banger -e
complete -c banger -f -k -a '(__banger_complete)'
