# Kvasir over kakoune-lsp. Source it in kakrc, behind the line that starts kakoune-lsp.

declare-option -docstring 'the program that is Kvasir' str kvasir_command kvasir

# Behind the servers of the language: kakoune-lsp brings its own ones in only where none is set yet.
hook -group kvasir global BufSetOption filetype=.* %{
    evaluate-commands %sh{
        case "$kak_opt_lsp_servers" in
            *'[kvasir]'*) exit ;;
            '') echo 'trigger-user-hook "LSPDefaultConfig=%opt{filetype}"' ;;
        esac
        echo 'set-option -add buffer lsp_servers "
[kvasir]
command = ""%opt{kvasir_command}""
args = [""lsp""]
root_globs = ["".git"", "".kvasir""]
"'
    }
}

# Run the server's command %arg{2} about the file and its `selection` (lines, if more than a character is selected)
# or the `turn` at the cursor (%arg{1}); all other arguments are the words of a person.
define-command -hidden kvasir-run -params 2.. %{
    evaluate-commands %sh{
        about=$1 command=$2
        shift 2
        json() { printf '%s' "$1" | tr '\n\t' '  ' | sed 's/\\/\\\\/g; s/"/\\"/g'; }
        # ANCHOR.COLUMN,CURSOR.COLUMN: either may come first.
        first=${kak_selection_desc%%.*} last=${kak_selection_desc#*,}
        last=${last%%.*}
        [ "$first" -le "$last" ] || { swap=$first first=$last last=$swap; }
        object="\"file\": \"$(json "$kak_buffile")\""
        case "$about-$kak_selection_length" in
            turn-*) object="$object, \"lines1\": [$kak_cursor_line, $kak_cursor_line]" ;;
            selection-1) ;;
            selection-*) object="$object, \"lines1\": [$first, $last]" ;;
        esac
        words=
        [ -z "$*" ] || words=", \"$(json "$*")\""
        printf "lsp-execute-command %s '%s'\n" "$command" "$(printf '[{%s}%s]' "$object" "$words" | sed "s/'/''/g")"
    }
}

define-command kvasir-ask -params 1.. \
    -docstring 'kvasir-ask [-fps] [-n] [@model] <question>: ask about the selected lines, or go on with the last chat' %{
    kvasir-run selection kvasir.ask %arg{@}
}
define-command kvasir-warmup -docstring 'let the model read the selected lines and their file' %{
    kvasir-run selection kvasir.warmup
}
define-command kvasir-fork -params .. -docstring 'kvasir-fork [<question>]: go on from the turn at the cursor' %{
    kvasir-run turn kvasir.fork %arg{@}
}
define-command kvasir-retry -docstring 'ask the question of the turn at the cursor again' %{
    kvasir-run turn kvasir.retry
}
define-command kvasir-cancel -docstring 'stop every answer' %{ lsp-execute-command kvasir.cancel '[]' }
define-command kvasir-model -params 1 -docstring 'kvasir-model <name>: answer with this model' %{
    kvasir-run nothing kvasir.model %arg{1}
}
define-command kvasir-chat -docstring 'show the newest chat of this folder' %{
    evaluate-commands %sh{
        newest=$(ls -t .kvasir/chat/*.md 2>/dev/null | head -n 1)
        [ -n "$newest" ] || { echo 'fail no chat in .kvasir/chat yet'; exit; }
        printf "edit '%s'\n" "$(printf '%s' "$newest" | sed "s/'/''/g")"
    }
}

declare-user-mode kvasir
map global kvasir q ':kvasir-ask ' -docstring 'ask'
map global kvasir n ':kvasir-ask -n ' -docstring 'ask in a new chat'
map global kvasir w ':kvasir-warmup<ret>' -docstring 'warm up'
map global kvasir f ':kvasir-fork ' -docstring 'fork at the cursor'
map global kvasir r ':kvasir-retry<ret>' -docstring 'ask again'
map global kvasir c ':kvasir-cancel<ret>' -docstring 'stop'
map global kvasir m ':kvasir-model ' -docstring 'change the model'
map global kvasir o ':kvasir-chat<ret>' -docstring 'show the newest chat'
