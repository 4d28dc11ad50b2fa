" The model reads ahead: what is selected, and a question while it is typed.

" Moves of the cursor, and letters, within this time are one.
let s:QUIET_MS = 60
let s:timer = -1
" What a question is about that is being typed at a prompt, and the options in front of it.
let s:asked = {}

" The lines that are selected now are read before a question about them is there.
function! kvasir#warm#selected() abort
  if mode() !~# "^[vV\<C-V>]" || !kvasir#place#is_file()
    return
  endif
  call s:soon(function('s:send_selection'))
endfunction

function! s:soon(Do) abort
  call timer_stop(s:timer)
  let s:timer = timer_start(s:QUIET_MS, {_ -> a:Do()})
endfunction

function! s:send_selection() abort
  if mode() =~# "^[vV\<C-V>]"
    let l:lines = sort([line('.'), line('v')], 'n')
    let l:given = extend(kvasir#place#file(), {'lines': [l:lines[0] - 1, l:lines[1]]})
    call kvasir#client#notify('kvasir/selection', l:given)
  endif
endfunction

function! s:draft(given, words) abort
  if has_key(a:given, 'file') && !kvasir#options#are_all(a:words)
    call kvasir#client#notify('kvasir/draft', [a:given, a:words])
  endif
endfunction

let s:MARK = '\d\+\|[.$]\|''[[:alpha:]<>]'
let s:ASKING = '^[: ]*\(%\|\%(' . s:MARK . '\)\%(,\%(' . s:MARK . '\)\)\?\)\?\s*\(Q\|QQ\|Kvasir\s\+ask\)\s\+\(\S.*\)$'

function! s:line(mark) abort
  return a:mark =~# '^\d' ? str2nr(a:mark) : line(a:mark)
endfunction

" First and last line of the simple ranges that people type, [0, 0] without one.
function! s:range(text) abort
  if a:text ==# '%'
    return [1, line('$')]
  endif
  let l:marks = map(split(a:text, ','), 's:line(v:val)')
  return empty(l:marks) ? [0, 0] : [l:marks[0], l:marks[-1]]
endfunction

" And so is a question while it is typed.
function! kvasir#warm#typed() abort
  if getcmdline() =~# s:ASKING
    call s:soon(function('s:send_command_line'))
  endif
endfunction

function! s:send_command_line() abort
  let l:found = matchlist(getcmdline(), s:ASKING)
  if getcmdtype() !=# ':' || empty(l:found)
    return
  endif
  let [l:range, l:command, l:words] = l:found[1:3]
  let l:Place = function(l:command ==# 'QQ' ? 'kvasir#place#all' : 'kvasir#place#code')
  let [l:first, l:last] = s:range(l:range)
  call s:draft(l:Place(l:words, l:range !=# '', l:first, l:last), l:words)
endfunction

" Ask for a question about ``given``, with the options that are there already; '' if the person gives up.
function! kvasir#warm#prompt(given, words) abort
  let s:asked = {'given': a:given, 'words': a:words}
  try
    call inputsave()
    return trim(input(a:words ==# '' ? 'Kvasir: ' : 'Kvasir (' . a:words . '): '))
  finally
    call inputrestore()
    let s:asked = {}
  endtry
endfunction

function! kvasir#warm#typed_at_prompt() abort
  if !empty(s:asked)
    call s:soon(function('s:send_prompt'))
  endif
endfunction

function! s:send_prompt() abort
  if !empty(s:asked)
    call s:draft(s:asked.given, kvasir#options#join(s:asked.words, getcmdline()))
  endif
endfunction
