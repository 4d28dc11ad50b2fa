" What the person is told, in full in ``told`` and in a line on the screen.

let s:told = []

" More than a line would stop the person at "Press ENTER", perhaps in the middle of a word.
function! s:in_a_line(text) abort
  let l:more = '… (:Kvasir messages)'
  let l:room = exists('v:echospace') ? v:echospace : &columns - 30
  let l:line = substitute(a:text, '\s*\n\s*', ' ', 'g')
  return strdisplaywidth(l:line) <= l:room ? l:line
    \ : strcharpart(l:line, 0, max([0, l:room - strdisplaywidth(l:more)])) . l:more
endfunction

function! s:tell(text, highlight) abort
  let l:text = a:text =~# '^Kvasir: ' ? a:text : 'Kvasir: ' . a:text
  call add(s:told, l:text)
  execute 'echohl' a:highlight
  echomsg s:in_a_line(l:text)
  echohl None
endfunction

function! kvasir#message#tell(text) abort
  call s:tell(a:text, 'None')
endfunction

function! kvasir#message#complain(text) abort
  call s:tell(a:text, 'WarningMsg')
endfunction

function! kvasir#message#told() abort
  return copy(s:told)
endfunction
