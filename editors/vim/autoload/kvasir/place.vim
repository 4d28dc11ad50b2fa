" What a command is about: the object that the server's commands take.

function! kvasir#place#is_file() abort
  return &buftype ==# '' && bufname('%') !=# '' && bufname('%') !~# '^\a[[:alnum:]+.-]*://'
endfunction

" The file of the current window.
function! kvasir#place#file() abort
  let l:given = {'client': 'vim'}
  return kvasir#place#is_file() ? extend(l:given, {'file': expand('%:p')}) : l:given
endfunction

" The same with lines, if there are any. A chat has no lines to ask about.
function! kvasir#place#lines(first, last) abort
  let l:given = kvasir#place#file()
  if a:first < 1 || !has_key(l:given, 'file') || kvasir#chat#is(bufnr('%'))
    return l:given
  endif
  let l:text = join(getline(a:first, a:last), "\n") . "\n"
  return extend(l:given, {'lines': [a:first - 1, a:last], 'text': l:text})
endfunction

" The same for a command's range. Without one, "-s" means the lines that were selected last.
function! kvasir#place#code(words, range, first, last) abort
  if a:range > 0
    return kvasir#place#lines(a:first, a:last)
  endif
  return kvasir#options#selection(a:words) ? kvasir#place#lines(line("'<"), line("'>")) : kvasir#place#file()
endfunction

" The same, or the whole file if no lines are chosen.
function! kvasir#place#all(words, range, first, last) abort
  let l:given = kvasir#place#code(a:words, a:range, a:first, a:last)
  if has_key(l:given, 'file') && !has_key(l:given, 'lines')
    let l:given.include = {'file': v:true}
  endif
  return l:given
endfunction

" The file with the turn under the cursor, if this is a chat.
function! kvasir#place#turn() abort
  let l:given = kvasir#place#file()
  return kvasir#chat#is(bufnr('%')) ? extend(l:given, {'turn': kvasir#chat#turn()}) : l:given
endfunction
