;;; kvasir.el --- A conversation with a language model about the code in front of you  -*- lexical-binding: t -*-

;; Version: 0.1.0
;; Package-Requires: ((emacs "30.1"))
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Eglot lets one server manage a buffer.  So Kvasir manages the chat documents alone, and each buffer of
;; code keeps the server of its language: a question about code names the file and carries the lines.

;;; Code:

(require 'eglot)
(require 'project)

(defgroup kvasir nil "Ask a language model about code." :group 'tools)

(defcustom kvasir-command '("kvasir")
  "The program that is Kvasir, with the arguments before its own."
  :type '(repeat string))

(defconst kvasir-presets
  '("explain" "review" "fix" "tests" "document" "brainstorm" "tutor" "refactor")
  "Questions that Kvasir has words for.")

(defconst kvasir-protocol 1
  "The version of docs/protocol.md that is spoken here.")


;;; The server

(defclass kvasir-server (eglot-lsp-server)
  ((root :initarg :root :reader kvasir--root))
  :documentation "Kvasir for one project.")

(defvar kvasir--servers nil "The servers that were started, newest first.")

(defun kvasir--project ()
  "The project that this buffer belongs to."
  (or (project-current) (cons 'transient (expand-file-name default-directory))))

(defun kvasir--project-of-chats (directory)
  "The folder above DIRECTORY that has chats, as a project.
Code and its chats then share a server where there is no other project."
  (when-let* ((root (locate-dominating-file directory ".kvasir")))
    (cons 'transient (expand-file-name root))))

(add-hook 'project-find-functions #'kvasir--project-of-chats 'append)

(defun kvasir--contact (_interactive project)
  "How Eglot starts the server of PROJECT."
  `(kvasir-server ,@kvasir-command "lsp" :root ,(expand-file-name (project-root project))))

(add-to-list 'eglot-server-programs '((kvasir-chat-mode :language-id "markdown") . kvasir--contact))

(defun kvasir--server ()
  "The server of this buffer's project, started if it does not run."
  (let* ((project (kvasir--project))
         (root (expand-file-name (project-root project))))
    (or (seq-find (lambda (server) (and (jsonrpc-running-p server) (equal (kvasir--root server) root)))
                  kvasir--servers)
        (kvasir--start project))))

(defun kvasir--start (project)
  "Start the server of PROJECT and wait for it."
  (unless (executable-find (car kvasir-command))
    (user-error "There is no program %s: install Kvasir, or set `kvasir-command' (\"kvasir setup emacs\" does)"
                (car kvasir-command)))
  (let ((contact (kvasir--contact nil project))
        (eglot-sync-connect t))
    (eglot '(kvasir-chat-mode) project (car contact) (cdr contact) '("markdown"))))

(defun kvasir--connected (server)
  "Remember SERVER if it is ours, and see that both speak the same."
  (when (cl-typep server 'kvasir-server)
    (push server kvasir--servers)
    (unless (eql (plist-get (plist-get (plist-get (eglot--capabilities server) :experimental) :kvasir) :protocol)
                 kvasir-protocol)
      (display-warning 'kvasir "This Kvasir and its commands in Emacs are not of one version: update the older one."))))

(add-hook 'eglot-connect-hook #'kvasir--connected)

(cl-defmethod eglot-initialization-options ((_server kvasir-server))
  "Say who is there."
  `(:kvasir (:client (:name "kvasir.el" :version "0.1.0" :protocol ,kvasir-protocol
                      :features ["state" "selection"]))))


(cl-defmethod eglot-handle-request :around ((_server kvasir-server) (_method (eql workspace/applyEdit)) &rest _)
  "An answer is many edits: nobody wants to be told of each."
  (dolist (buffer (buffer-list))
    (with-current-buffer buffer
      ;; The server writes a chat until it hears that a buffer has it; from then on the buffer is right.
      (when (and (derived-mode-p 'kvasir-chat-mode) (not (verify-visited-file-modtime buffer)))
        (set-visited-file-modtime))))
  (let ((inhibit-message t) (message-log-max nil))
    (cl-call-next-method)))

;; Eglot's own takes a takeFocus of false for true, and asks about a file that the server wrote meanwhile.
(cl-defmethod eglot-handle-request
  ((_server kvasir-server) (_method (eql window/showDocument)) &key uri &allow-other-keys)
  "Show a chat beside the code, without leaving the code."
  (let ((file (eglot-uri-to-path uri)))
    ;; Visiting makes requests of its own, which have to wait for the reply to this one.
    (run-with-timer 0 nil (lambda () (display-buffer (kvasir--visit file)))))
  '(:success t))

(defun kvasir--visit (file)
  "The buffer of FILE, as the file is now unless there are unsaved changes."
  (let ((buffer (find-buffer-visiting file)))
    (if (not buffer)
        (find-file-noselect file)
      (with-current-buffer buffer
        (unless (or (buffer-modified-p) (verify-visited-file-modtime buffer))
          (revert-buffer 'ignore-auto 'noconfirm 'preserve-modes)))
      buffer)))


;;; What it is doing, for the mode line

(defvar kvasir--state "" "What the server is doing, in a word.")

(defun kvasir--share (part whole)
  "PART of WHOLE in percent."
  (if (and (numberp whole) (> whole 0)) (format " %d%%%%" (/ (* 100 part) whole)) ""))

(cl-defmethod eglot-handle-notification
  ((_server kvasir-server) (_method (eql kvasir/state))
   &key phase promptTokens doneTokens tps &allow-other-keys)
  "Show how far a question has come."
  (setq kvasir--state
        (pcase phase
          ((or "warming" "prefill")
           (concat " Kvasir:reading" (kvasir--share (or doneTokens 0) promptTokens)))
          ("generating" (format " Kvasir:%s tokens%s" (or doneTokens 0) (if tps (format ", %d/s" tps) "")))
          ((or "queued" "loading") (format " Kvasir:%s" phase))
          (_ "")))
  (force-mode-line-update 'all))

(add-to-list 'mode-line-misc-info '(:eval kvasir--state) 'append)


;;; Commands

(defun kvasir--place ()
  "What a question here is about: the file, and the lines of the region."
  (append
   (when buffer-file-name (list :uri (eglot-path-to-uri buffer-file-name)))
   (when (use-region-p)
     (let* ((first (line-number-at-pos (region-beginning) t))
            (end (region-end))
            ;; A region that ends before the first character of a line has none of it.
            (last (- (line-number-at-pos end t) (if (save-excursion (goto-char end) (bolp)) 1 0)))
            (last (max first last)))
       (list :lines (vector (1- first) last) :text (kvasir--lines first last))))))

(defun kvasir--lines (first last)
  "Text of the lines FIRST to LAST, counted from 1."
  (save-excursion
    (save-restriction
      (widen)
      (goto-char (point-min))
      (forward-line (1- first))
      (let ((beginning (point)))
        (forward-line (1+ (- last first)))
        (buffer-substring-no-properties beginning (point))))))

(defun kvasir--run (name place &rest words)
  "Run the server's command NAME about PLACE with WORDS; return its reply."
  (condition-case failure
      (let ((server (kvasir--server))
            (command (list :command (concat "kvasir." name)
                           :arguments (vconcat (list (or place (make-hash-table))) (remove "" words)))))
        ;; Only a buffer that a server manages has changes to be sent first, which `eglot-execute' does.
        (if (eglot-managed-p)
            (eglot-execute server command)
          (jsonrpc-request server :workspace/executeCommand command)))
    (jsonrpc-error (user-error "Kvasir: %s" (alist-get 'jsonrpc-error-message (cdr failure))))))

(defun kvasir--read (prompt place)
  "Read a question with PROMPT.
PLACE and what is typed are read by the model meanwhile."
  (let ((server (kvasir--server)))
    (jsonrpc-notify server :kvasir/selection place)
    (minibuffer-with-setup-hook
        (lambda ()
          (add-hook 'after-change-functions
                    (lambda (&rest _)
                      (let ((question (minibuffer-contents-no-properties)))
                        (when (string-match-p "\\`[^-@ ]" question)
                          (jsonrpc-notify server :kvasir/draft `(,@place :question ,question)))))
                    nil t))
      (read-string prompt))))

(defun kvasir-ask (question &optional new)
  "Ask QUESTION about the region, or go on with the last chat.
With a prefix argument begin a NEW chat.  Options and a model stand in
front of it: -f sends the file, -p the project, -s the region alone,
@NAME asks that model."
  (interactive (list (kvasir--read "Ask Kvasir: " (kvasir--place)) current-prefix-arg))
  (kvasir--run "ask" `(,@(kvasir--place) ,@(and new '(:new t))) question)
  (deactivate-mark))

(defun kvasir-preset (preset)
  "Ask what PRESET stands for about the region, else about the file."
  (interactive (list (completing-read "Kvasir: " kvasir-presets nil t)))
  (let ((whole (unless (use-region-p) '(:include (:file t)))))
    (kvasir--run "ask" `(,@(kvasir--place) ,@whole :preset ,preset)))
  (deactivate-mark))

(defun kvasir-warmup ()
  "Let the model read the region and its file before there is a question."
  (interactive)
  (kvasir--run "warmup" (kvasir--place)))

(defun kvasir--turn ()
  "The chat document in front, and the line of the turn."
  (unless (derived-mode-p 'kvasir-chat-mode) (user-error "This buffer is no chat: \\[kvasir-open] shows one"))
  (let ((line (line-number-at-pos nil t)))
    (list :uri (eglot-path-to-uri buffer-file-name) :lines (vector (1- line) line))))

(defun kvasir-fork (question)
  "Go on from the turn at point in a new chat, with QUESTION unless it is empty."
  (interactive (progn (kvasir--turn) (list (read-string "Fork with (or nothing): "))))
  (kvasir--run "fork" (kvasir--turn) question))

(defun kvasir-retry ()
  "Ask the question of the turn at point again."
  (interactive)
  (kvasir--run "retry" (kvasir--turn)))

(defun kvasir-send ()
  "Send what was typed at the end of the chat.  Saving does the same."
  (interactive)
  (save-buffer))

(defun kvasir-cancel ()
  "Stop every answer of this Emacs in this project; what is there stays."
  (interactive)
  (kvasir--run "cancel" nil))

(defun kvasir-model (model)
  "Answer with MODEL from now on, in this chat and in new ones."
  (interactive (list (completing-read "Model: " (append (plist-get (kvasir--run "model" nil) :models) nil) nil t)))
  (kvasir--run "model" (when (derived-mode-p 'kvasir-chat-mode) (kvasir--place)) model))

(defun kvasir-open (chat)
  "Show the CHAT of this id."
  (interactive
   (let ((chats (mapcar (lambda (chat) (cons (format "%s  %s" (plist-get chat :title) (plist-get chat :session))
                                             (plist-get chat :session)))
                        (plist-get (kvasir--run "chats" nil) :sessions))))
     (list (alist-get (completing-read "Chat: " chats nil t) chats nil nil #'equal))))
  (kvasir--run "open" (list :session chat)))

(defvar-keymap kvasir-map
  :doc "Kvasir's commands behind one key."
  "k" #'kvasir-ask
  "p" #'kvasir-preset
  "w" #'kvasir-warmup
  "f" #'kvasir-fork
  "r" #'kvasir-retry
  "c" #'kvasir-cancel
  "m" #'kvasir-model
  "o" #'kvasir-open)
(fset 'kvasir-map kvasir-map)


;;; Chats

(defvar-keymap kvasir-chat-mode-map
  "C-c C-c" #'kvasir-send
  "C-c C-f" #'kvasir-fork
  "C-c C-r" #'kvasir-retry
  "C-c C-k" #'kvasir-cancel)

(define-derived-mode kvasir-chat-mode text-mode "Chat"
  "A chat with Kvasir: write under the last \"## You\" and save, which sends it."
  (setq-local font-lock-defaults
              '((("^#+ .*" . 'outline-1)
                 ("<!-- kv [^>]*-->" 0 '(face nil invisible kvasir))
                 ("^\\*.* tokens/s\\*$" . 'shadow))
                t)
              font-lock-extra-managed-props '(invisible)
              outline-regexp "## ")
  (add-to-invisibility-spec 'kvasir)
  (visual-line-mode)
  (outline-minor-mode)
  (goto-char (point-max))
  (eglot-ensure))

(provide 'kvasir)
;;; kvasir.el ends here
