" What other configurations may call.

" A few words about what Kvasir is doing, for 'statusline'; empty when it did nothing yet.
function! kvasir#status() abort
  return kvasir#status#text()
endfunction
