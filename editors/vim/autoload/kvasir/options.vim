" What stands in front of a question. The server reads it; here it only matters whether a question follows.

let g:kvasir#options#flags = ['-f', '-n', '-p', '-s', '-t', '-w']

function! kvasir#options#are_all(words) abort
  return empty(filter(split(a:words), 'v:val !~# "^[-@]"'))
endfunction

" Whether "-w" is among them: then they are a command without a question, too.
function! kvasir#options#warm(words) abort
  return kvasir#options#are_all(a:words) && !empty(filter(split(a:words), 'v:val =~# "^-\\a*w"'))
endfunction

" Whether the selection is asked for by its letter.
function! kvasir#options#selection(words) abort
  return a:words =~# '^\s*\%(\%(-\a\+\|@\S\+\)\s\+\)*-\a*s\a*\%(\s\|$\)'
endfunction

function! kvasir#options#join(words, question) abort
  return trim(a:words . ' ' . a:question)
endfunction
