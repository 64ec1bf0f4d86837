# The words of the portal. `{ $institution }`, `{ $campus }`, `{ $support-name }`, `{ $support-phone }`, `{ $support-email }` can stand in each.

language-name = English

## Every page

toolkit-title = Secure Authentication Toolkit
skip-to-content = Skip to the content
sign-in = Sign in
sign-out = Sign out
signed-in-as = Signed in as { $username }
home = Toolkit
my-security = My security
help-desk = Help desk
administration = Administration
language = Language
support-heading = Help and support
support-faq = Answers to frequent questions
continue-button = Continue
cancel-button = Cancel
back-to-toolkit = Back to the toolkit
required-note = Fields with a star are required.
session-ends = For your safety this page ends { $minutes } minutes after you last did something here.
session-over = This took too long, or was begun in another window. Please begin again.
session-warning = This page is about to end. Stay here, or you will have to begin again.
session-stay = Stay here
step-done-already = This step was done already. Go on here.
too-many = Too many requests came from your address. Wait { $seconds } seconds and try again.
not-available = This does not work at the moment. Nothing was changed. Try again in a few minutes.
error-heading = Something needs your attention
page-missing = There is no such page.
page-forbidden = You may not see this page.
form-stale = This page was too old, and nothing came of it. Go on from here.
acceptable-use = By using your username to access services, you are agreeing to ALL Acceptable Use Policies and guidelines listed at
acceptable-use-link = Acceptable Use Policies
username = Username
userid = USERID
password = Password
passcode = Passcode
wrong-login = The username or the password is not right, or this account cannot be used here. Check both and try again; after many attempts, wait a while. If it does not help, contact { $support-name }.
wrong-passcode = That passcode is not right, or it is too old. Check it and try again, or ask for a new one.
wrong-passcode-renewed = That passcode is not right, and it was the last try of this one. A new passcode is on its way; the old one does not count any more.
wrong-passcode-limited = That passcode is not right, and it was the last try of this one. No more passcodes can be sent there for now. Choose another way, try again later, or ask the help desk.
throttled = Too many attempts failed. Wait a while and try again.
password-is-expired = Your password has expired. Reset it first.
password-must-change = Your password has expired. Choose a new one here; nothing else is possible before.
demo-sent = What was sent

## Landing page

toolkit-intro = Set up and look after the keys to your { $institution } account: activate it, say how we can reach you, choose a new password, and add a second lock that only you can open.
audience-community = Faculty, Staff, and Students
audience-alumni = Alumni Only
audience-optional = Optional
topic-activation = New User Activation
topic-activation-1 = Have your username ready. Your department or the admissions office has sent it to you.
topic-activation-2 = We send a passcode to an e-mail address or telephone that is on file.
topic-activation-3 = Say how we can reach you, choose your security questions, and set your password.
topic-activation-button = Activate my account
topic-registration = Register your Security Data
topic-registration-1 = Required of all faculty, staff and students: without it a forgotten password cannot be reset here.
topic-registration-2 = Sign in, enter telephone numbers and an address outside the university, and choose your security questions.
topic-registration-3 = Confirm each of them with the passcode that we send there.
topic-registration-button = Register my security data
topic-reset = Reset your Password
topic-reset-1 = For forgotten and expired passwords. You need security data that is registered.
topic-reset-2 = Enter your username, choose how you want to get a passcode, and enter it.
topic-reset-3 = Choose a new password. It counts at once, everywhere.
topic-reset-button = Reset my password
topic-mailbox = Set or Reset your Mailbox Password
topic-mailbox-1 = For alumni: the mailbox from your student days has a password of its own.
topic-mailbox-2 = Sign in with your username and password.
topic-mailbox-3 = Choose the new password of the mailbox.
topic-mailbox-button = Set my mailbox password
topic-key = Register Your Yubikey Hardware Authentication Device
topic-key-1 = A YubiKey is a small key for the USB port that types a passcode when you touch it.
topic-key-2 = Sign in, put it in, and touch it.
topic-key-button = Register my Yubikey
topic-app = Setup One-Time-Passcode App
topic-app-1 = An app on your telephone shows a new passcode every half minute, also without a network.
topic-app-2 = Install one, sign in, and scan the code that we show.
topic-app-button = Set up the app
topic-practices = Password Best Practices
topic-practices-1 = What makes a password good, and what our rules are.
topic-practices-button = Read the advice
topic-use = Acceptable use
institution-policies = the pages of { $institution }

## Passcodes

choose-heading = How do you want to get your passcode?
choose-intro = Choose one. The passcode is good for { $minutes } minutes.
method-email = Email
method-voice = Voice
method-sms = SMS/Text
method-yubikey = Yubikey Device
method-totp = One-Time-Passcode App
method-hotp = Passcode token
method-recovery = Recovery code
method-temporary = Help-desk code
method-device-password = Wi-Fi password of a device
method-to = { $method } to { $destination }
send-passcode = Send passcode
enter-heading = Enter the passcode
enter-sent-email = We have sent a passcode by e-mail to { $destination }. It can take a minute to arrive; look into the spam folder too.
enter-sent-voice = We are calling { $destination } to read a passcode to you.
enter-sent-sms = We have sent a passcode by text message to { $destination }.
enter-yubikey = Put your key in and touch it. It types the passcode.
enter-totp = Open the app and type the passcode that it shows.
enter-hotp = Press the button of your token and type what it shows.
enter-recovery = Type one of your recovery codes. Each is good once.
enter-temporary = Type the code that the help desk has given to you.
enter-until = The passcode is good until { $time }.
verify-button = Verify
resend-button = Send a new passcode
other-method = Choose another way
resent = A new passcode is on its way. The old one does not count any more.
send-limited = No more passcodes can be sent for now. Use another way, or try again later.
no-method-heading = We cannot help you on this page
no-method = Either this username cannot be used here, or we have no way to send you a passcode. { $support-name } can help you: have an identity card ready.
second-proof-heading = One more passcode
second-proof = Your account has a second factor. Prove that it is yours as well.

## Activation

activation-title = New User Activation
activation-intro = Enter the username that you were given.
activation-contacts-heading = How can we reach you?
activation-contacts-intro = We use these to send you passcodes, and to tell you when something about your account changes.
activation-questions-heading = Your security questions
activation-password-heading = Password set-up
activation-second-intro = Get a second passcode on a contact that you have just entered. It proves that the contact is right.
activation-delivery = Where shall we send the second passcode?
activation-agree = I have read the Acceptable Use Policies and agree to them.
activation-agree-missing = Your account can be activated only if you agree to the Acceptable Use Policies.
activation-done = Your account is active. You can use your username and password now.
submit-button = Submit

## Registration

registration-title = Register your Security Data
registration-due = Please register your security data: without it a forgotten password cannot be reset here.
registration-intro = Registration is required of all faculty, staff and students.
contact-mobile = Mobile/alternate phone (for text)
contact-phone = work/home phone
contact-email = external/non-University email (alternate address)
contact-mobile-hint = With the country code if it is abroad, such as +44 20 7946 0958.
contact-phone-hint = For calls that read a passcode to you.
contact-email-hint = An address that you can read without your { $institution } password.
contact-proven = Confirmed: { $value }
contact-waiting = Not confirmed yet: { $value }
contact-remove = Remove
contact-confirm = Confirm
contact-confirm-heading = Confirm { $value }
contact-confirmed = { $value } is confirmed.
contact-bad-phone = This is no telephone number that we can reach. Enter it with the area code, and with the country code if it is abroad.
contact-bad-email = This is no e-mail address. Check it for missing or wrong characters.
contact-own-domain = Enter an address outside the university: you could not read it when you have lost your password.
contact-one-needed = Enter at least one telephone number or e-mail address.
questions-legend = Security questions
questions-intro = { $count ->
    [one] Choose a question and answer it. Three letters or more.
   *[other] Choose { $count } different questions and answer them. Three letters or more each.
}
question-slot = Question { $number }
question-choose = Choose a question
answer = Answer
answer-slot = Answer to question { $number }
answer-kept = Answered. Leave it empty to keep your answer.
helpdesk-legend = Help-desk verification question
helpdesk-optional = Optional. When you call, the help desk may ask you this.
helpdesk-required = When you call, the help desk asks you this.
answers-notice = Support staff cannot see these answers. They can see the help-desk verification question and its answer only.
save-button = Save
update-button = update
updated = You have successfully updated your information.
problem-questions = Choose and answer { $count } questions.
problem-duplicate = Each question can be chosen once.
problem-answer-short = This answer is too short. Use three letters or more.
problem-answer-long = This answer is too long. Use at most 200 characters.
problem-answer-trivial = This answer is too easy to guess.
problem-answer-question = This answer is a word of the question.
problem-answer-username = Your username is no answer.
problem-answer-repeated = Each answer must be another.
problem-answer-told = The help desk hears this answer, so it must be another than those that nobody sees.
problem-helpdesk = Choose and answer the help-desk verification question.
question-first-pet = What was the name of your first pet?
question-first-street = In which street did you live as a child?
question-first-school = What was the name of your first school?
question-first-job = In which town was your first job?
question-childhood-friend = What was the family name of your best friend as a child?
question-childhood-hero = Who was the hero of your childhood?
question-grandmother-name = What is the first name of your mother's mother?
question-parents-met = In which town did your parents meet?
question-favourite-teacher = What was the name of the teacher you liked best?
question-first-concert = Which band or singer did you hear at your first concert?
question-dream-job = What did you want to become when you were a child?
question-holiday-place = Where did you spend the holiday that you remember best?

## Password

reset-title = Reset your Password
reset-intro = Enter your username. We then offer the ways to get a passcode.
reset-question-heading = Your security question
wrong-answer = This is not the answer that you have registered.
new-password-heading = Choose a new password
new-password = New password
new-password-again = New password once more
passwords-differ = The two passwords are not the same.
requirements-heading = Your new password
requirement-met = done
requirement-min-length = has { $count } characters or more
requirement-max-length = has { $count } characters or fewer
requirement-characters = has letters, digits, punctuation, common symbols and spaces only
requirement-classes = has { $count } of these: capital letters, small letters, digits, other characters
requirement-no-username = does not contain your username, forwards or backwards
requirement-no-words = does not contain the name of the institution
requirement-no-pattern = is no row of the keyboard and repeats no pattern
requirement-uncommon = is not one that attackers try first
requirement-strength = is hard to guess
password-short = Use at least { $count } characters.
password-long = Use at most { $count } characters.
password-bytes = Use a shorter password.
password-character = Use only letters, digits, punctuation, common symbols and spaces: one of the characters is not possible.
password-classes = Use at least { $count } of these: capital letters, small letters, digits, other characters.
password-username = Leave your username out of it, forwards and backwards.
password-word = Leave the word "{ $word }" out of it: everyone here would try it first.
password-common = Choose something else: it is made of passwords that many people use.
password-repeated = Choose something else: it repeats the same few characters.
password-sequence = Choose something else: it follows the alphabet, the digits or the rows of the keyboard.
password-listed = Choose something else: it is in a list of passwords that attackers try first.
advice-more-words = Add another word or two; uncommon words are better.
advice-few-words = Use a few words that do not belong together; signs, digits and capital letters are not needed.
advice-common = Many people use this password; use a few words that do not belong together.
advice-like-common = It is much like a password that many people use; add words that are not in it.
advice-one-word = One word is easy to guess; add some that do not belong to it.
advice-names = Names are easy to guess; add words that are no names.
advice-keyboard = Neighbours on the keyboard are easy to guess; use words.
advice-repetition = Repetitions add little; add other words.
advice-sequence = Sequences such as abc or 6543 are easy to guess; use words.
advice-year = Years are easy to guess, above all those that have to do with you; use words.
advice-date = Dates are easy to guess, above all those that have to do with you; use words.
advice-capitals = Capital letters add little; add another word or two.
advice-backwards = Words backwards are hardly harder to guess; add another word or two.
advice-stand-ins = Signs and digits in place of letters add little; add another word or two.
strength = Strength: { $level ->
    [0] very weak
    [1] weak
    [2] fair
    [3] good
   *[4] strong
}
show-password = Show
password-refused = This password cannot be used: { $why }
change-button = Change password
password-changed = Password has been successfully changed.
password-changed-hint = It counts at once, for mail, Wi-Fi, VPN and everything else. Change it on your telephone and other devices too.

## Mailbox

mailbox-title = Set or Reset your Mailbox Password
mailbox-intro = This sets the password of your student mailbox { $account }. The password of your username stays as it is.
mailbox-only-alumni = This page is for alumni. If you are one, contact { $support-name }.
mailbox-changed = The password of your mailbox has been changed.
mailbox-missing = The mail provider has no mailbox { $account }. Contact { $support-name }.
mailbox-refused = The mail provider does not take this password: { $why }
mailbox-later = The mail provider is busy. Nothing was changed. Try again in a few minutes.
mailbox-failed = The mail provider could not change the password. Nothing was changed. Try again later, or contact { $support-name }.
mailbox-unknown = The mail provider did not answer in time, so it is not known whether the password was changed. Try the new one; if it does not work, set it again.
mailbox-account-label = Mailbox
mailbox-none = We know of no mailbox that is yours. If you had one as a student, contact { $support-name }.
mailbox-not-here = The passwords of mailboxes cannot be set here. Contact { $support-name }.
mailbox-button = Set the password
mailbox-provider-rules = The mail provider may ask for more, and tells you so.

## YubiKey

key-title = Register Your Yubikey Hardware Authentication Device
key-where = You can buy a YubiKey at
key-where-link = yubico.com
key-intro = Any model that can type one-time passwords will do (YubiKey 5 and others with Yubico OTP).
key-name = Name of the key
key-name-hint = Such as "blue key ring". You see it in the list of your keys.
key-touch = Click into this field and touch your key
key-register-button = Register
key-registered = Your key { $name } is registered. "Yubikey Device" is now among the ways to get a passcode.
key-verify-title = Verify that your key works
key-verify-button = Verify
key-verified = Your key { $name } works.
key-verify-link = Verify a key
key-buy-heading = Where to buy one
key-local = { $support-name } knows whether your department hands out keys, and which models it supports.
key-begin-button = Register a key
key-register-heading = Register your key
key-touch-hint = It types 44 letters and presses Enter. A key that types nothing must be touched longer, or lacks Yubico OTP.
key-again = Register another key
key-no-password = This is not what a YubiKey types. Empty the field, click into it and touch the key once. If your keyboard is not set to English, set it so and try again.
key-without-id = This key does not say which one it is. Contact { $support-name }.
key-programmed-anew = This key was programmed anew since it was handed out. Contact { $support-name }.
key-used-before = This was typed before. Touch the key once more.
key-unknown = Nobody here knows this key. Contact { $support-name }.
key-refused = This key was not accepted. Touch it once more; if that does not help, contact { $support-name }.
key-of-another = This key is registered for another person. Use another one.
key-yours-already = This key is registered for you already.
key-was-removed = This key was removed before and cannot simply be registered again. Contact { $support-name }.
key-verify-intro = Touch your key. What it types is used up and goes nowhere else.
key-not-verified = This is not what one of your keys types, or it was typed before. Touch the key once more.
key-none = You have not registered a key yet.

## One-time-passcode app

app-title = Setup One-Time-Passcode App
app-intro = Install an app for one-time passcodes on your telephone. Any app that follows RFC 6238 works.
app-store = Store
app-app = Apps
app-apple = Apple App Store
app-android = Google Play
app-windows = Microsoft Store
app-hint = Allow notifications and the camera when the app asks for them.
app-begin-button = begin setup
app-enroll-heading = enroll
app-enroll-button = enroll
app-scan = Scan this with the app.
app-qr = QR code with the key of your account
app-key = Or type this key into the app:
app-name = Name of the device
app-first = Type the passcode that the app shows now
app-wrong = This is not the passcode of this key. Wait for the next one and try again; check that the clock of the telephone is right.
app-pin-heading = Choose a PIN
app-pin-intro = You type the PIN before each passcode. { $min ->
    [4] Four digits are enough.
   *[other] It has { $min } digits or more.
}
app-pin = PIN
app-pin-again = PIN once more
app-pins-differ = The two PINs are not the same.
app-done = Congratulations! Your account has been created.
app-begin-hint = You sign in, and prove with a passcode that it is you.
app-platform-apple = iPhone, iPad
app-platform-android = Android
app-platform-windows = Windows
app-and = and
app-name-hint = Such as "my telephone". You see it in the list of your devices.
app-name-heading = Name the device
app-scan-heading = Add your account to the app
app-open = Open the app on this device
app-confirm-button = Confirm
app-cancel = Cancel the set-up
app-cancelled = The set-up was cancelled. What the app shows does not count; remove it there.
app-confirmed = The app works.
app-pin-button = Set the PIN
app-pin-skip = Go on without a PIN
app-pin-set = The PIN was set.
app-pin-due = A PIN is required here. Choose one before you go on.
app-pin-change = Choose a new PIN
app-pin-rows = No rows, no repeated digits, no years.
app-done-next = Its passcodes count from now on.
app-recovery = What if you lose the telephone? Make recovery codes now and keep them on paper.
app-another = Set up another device
pin-short = Use at least { $count } digits.
pin-long = Use at most { $count } digits.
pin-digits = Use only the digits 0 to 9.
pin-repeated = This PIN is too easy to guess: it repeats the same digits. Choose another one.
pin-sequence = This PIN is too easy to guess: its digits follow each other. Choose another one.
pin-keypad = This PIN is too easy to guess: it is a line on the keypad. Choose another one.
pin-year = This PIN is too easy to guess: it is a year. Choose another one.
pin-date = This PIN is too easy to guess: it is a date. Choose another one.
pin-mirrored = This PIN is too easy to guess: it is the same backwards. Choose another one.
pin-common = This PIN is too easy to guess: many people use it. Choose another one.

## My security

factors-title = My security
factors-heading = Second factors
factors-none = You have none yet.
factor-kind = Kind
factor-name = Name
factor-since = Since
factor-used = Used last
factor-never = never
factor-add = Add one
factor-rename = Rename
factor-revoke = Remove
factor-revoke-heading = Remove { $name }?
factor-revoke-hint = Passcodes of it do not count any more. If you have lost it, this is the right thing to do.
factor-revoked = { $name } was removed.
factor-renamed = The name was changed.
recovery-heading = Recovery codes
recovery-intro = Codes on paper for the day on which you have lost everything else. Each is good once.
recovery-left = { $count ->
    [one] One code is left.
   *[other] { $count } codes are left.
}
recovery-button = Make new recovery codes
recovery-once = Write these down or print them now. They are shown this once. Older ones do not count any more.
activity-heading = Recent activity
activity-when = When
activity-what = What
activity-where = Where
activity-result = Result
change-password = Change my password
present-password = Present password
wrong-present-password = The present password is not right.
factors-many = You have { $count } devices already. Remove one that you do not use any more.
factors-gone = This one was removed already.
factor-add-app = Set up an app
factor-add-key = Register a YubiKey
factor-pin = PIN
factor-name-label = Name
factor-rename-heading = Rename { $name }
factor-keep = Keep it
devices-heading = Wi-Fi passwords of your devices
devices-intro = A telephone or computer can log in to Wi-Fi with a password of its own. If you lose it, remove that password, and your other devices go on.
devices-none = None of your devices has one.
device-add = Make a Wi-Fi password for a device
device-name = Name of the device
device-name-hint = Such as “telephone” or “laptop”, so that you know later which one it is.
device-name-problem = Name the device, in 1 to 64 characters.
device-name-taken = You have a device called { $name } already. Choose another name, or remove that one first.
device-button = Make the password
device-made = Wi-Fi password for { $name }
device-once = Type it into this device now, with its dashes. It is shown this once, and nobody can read it again.
device-password = Wi-Fi password
device-hint = Use it for this device alone, and for nothing but Wi-Fi. If you lose it, remove it and make another.
device-back = I have it. Back to my security
device-revoke-hint = The device cannot log in to Wi-Fi with it any more. If you have lost the device, this is the right thing to do.
recovery-none = You have none.
recovery-print = Print this page, or write the codes on paper. Do not keep them on the telephone that they stand in for.
recovery-replaces = The codes that you have now will not count any more.
recovery-heading-new = Your new recovery codes
recovery-back = I have them. Back to my security
contacts-heading = How we can reach you
contacts-none = You have registered nothing yet.
contacts-unproven = not confirmed yet
contacts-change = Change this
password-heading = Password
password-title = Change your password
acceptance-heading = Acceptable use
acceptance-when = You have agreed to the Acceptable Use Policies, version { $version }, on { $time }.
acceptance-none = You have not agreed to the Acceptable Use Policies yet.
activity-intro = If you see something that was not you, change your password and contact { $support-name }.
activity-none = Nothing yet.
activity-here = here
activity-here-from = here, from { $address }
activity-staff = the people who look after accounts
activity-good = done
activity-asked = a passcode was asked for
activity-refused = refused
activity-open = not known
activity-login = Login
activity-portal = Sign-in here
activity-reset = Passcode for a new password
activity-activation = Passcode for the activation
activity-contact = A contact was to be confirmed
activity-security = Security data were changed
activity-activated = The account was activated
activity-password = The password was changed
activity-present-password = The present password was asked for
activity-lock = The account was locked
activity-unlock = The account was unlocked
activity-factor-added = A second factor was added
activity-factor-confirmed = A new passcode app was confirmed
activity-factor-renamed = A second factor was renamed
activity-factor-revoked = A second factor was removed
activity-factor-resync = A token was brought into step
activity-device = Wi-Fi login of a device
activity-device-added = A Wi-Fi password for a device was made
activity-device-renamed = A device was renamed
activity-device-revoked = The Wi-Fi password of a device was removed
activity-code = The help desk gave out a code
activity-question = The help desk looked at the verification question
activity-desk-verified = The help desk verified a caller
activity-desk-reset = The help desk started a new password
activity-reset-question = The security question was asked
activity-mailbox = The password of the mailbox was to be set

## Best practices

practices-title = Password Best Practices
practices-rules = Our rules
practices-advice = Advice
practices-1 = Length beats tricks: four or five words that have nothing to do with each other are easy to remember and hard to guess.
practices-2 = Use a password here that you use nowhere else.
practices-3 = Let a password manager remember it.
practices-4 = We never ask for your password by mail, text or telephone. Nobody who works here needs it.
practices-5 = Add a second factor: then a stolen password alone opens nothing.
practices-6 = Change it at once if somebody may know it. There is no need to change it otherwise.
practices-expiry = Passwords expire here only if your directory says so.

## Help desk and administration

desk-title = Help desk
desk-find = Find a person
desk-find-label = Username
desk-none = There is no person with this username.
desk-status = Status
desk-roles = Roles
desk-groups = Groups
desk-contacts = Contacts
desk-registered = Registered
desk-failures = Failed attempts
desk-question-button = Show the help-desk question
desk-question-hint = Every look at the question is written down.
desk-question-none = This person has no help-desk question.
desk-question-unknown = A question that is not asked any more ({ $name })
desk-verified-button = The caller is verified
desk-verified = Marked as verified until { $time }.
desk-not-verified = Verify the caller first.
desk-code-button = Send a one-time code to { $destination }
desk-code-sent = A code is on its way to { $destination }. It is not shown here.
desk-unlock-button = Unlock
desk-unlocked = The account is unlocked.
desk-revoke-button = Remove
desk-reset-button = Start a password reset
desk-reset-started = The person can now reset the password with the code that was sent to { $destination }.
admin-title = Administration
admin-coverage = Registration
admin-coverage-other = People of no campus
admin-coverage-all = All campuses
admin-people = People
admin-activated = Activated
admin-registered = Registered
admin-second-factor = Second factor
admin-dead-letters = Messages that could not be sent
admin-clients = Clients
admin-audit = Audit trail
admin-audit-search = Username
admin-audit-find = Search
admin-audit-export = Export
admin-logins = Logins of the last 24 hours
admin-accepted = Accepted
admin-refused = Refused
desk-find-hint = All of it, or a part: then people whose username contains it are listed.
desk-found = { $count ->
    [one] One person
   *[other] { $count } people
}
desk-found-more = There may be more. Type more of the username.
desk-name = Name
desk-person = { $username }
desk-valid-until = ends on { $time }
desk-not-registered = Not yet
desk-of-directory = { $value } (from the directory)
desk-failures-none = None
desk-blocked = no try before { $time }
desk-verify-heading = Who is calling?
desk-reason = What else shows who is calling
desk-reason-hint = Only if you have not compared the answer: say what you have seen, such as "identity card at the counter". It is written down. Write no numbers of cards here.
desk-reason-missing = Show the question and compare the answer first, or say in some words what else shows who is calling.
desk-factors-none = This person has none.
desk-pending = waits for its first passcode
desk-code-heading = One-time code and reset
desk-code-hint = The code is sent to the person, who reads it there. If a device is lost, remove it above before you start a reset.
desk-nowhere = There is no contact that a code can be sent to.
desk-reset-to = Start a password reset with a code to { $destination }
desk-limited = No more codes can be sent there for now. Try again later, or use another contact.
desk-unregistered = This person has not registered security data, so the password cannot be reset here.
desk-account-heading = Account
desk-lock-button = Lock
desk-lock-hint = Nobody can log in with a locked account. You may lock it at once if somebody else may be using it.
desk-locked = The account is locked.
desk-unlock-hint = Ends a lock, and the waiting time after failed attempts.
desk-half-unlocked = The account is unlocked here, but the directory may still have it locked.
desk-not-now = This cannot be done where the account stands now.
desk-gone = That is not there any more. See how things stand now.
status-active = active
status-new = not activated yet
status-locked = locked
status-disabled = switched off
role-faculty = Faculty
role-staff = Staff
role-student = Student
role-alumnus = Alumnus
role-none = No role
counter-password = Password
counter-sent = Passcodes that were sent
counter-reset = Resets and activations
counter-questions = Security questions
admin-part = { $count } ({ $percent } %)
admin-dead-none = There are none.
admin-destination = Where to
admin-reason = Reason
admin-clients-none = There are none.
admin-client = Client
admin-networks = Networks
admin-policy = Asks for
admin-group = Group { $group }: { $policy }
admin-unauthenticated = Requests without Message-Authenticator are taken.
policy-password = Password
policy-passcode = Passcode
policy-pin-and-passcode = PIN and passcode
policy-required = Password and passcode
policy-if-enrolled = Password, and a passcode of who has a second factor
admin-chart = { $accepted } logins were accepted, { $refused } were refused.
admin-chart-legend = Above the line: accepted. Below the line: refused. Counted anew every minute.
admin-chart-since = There are so many entries that only those since { $time } were counted.
admin-chart-table = The same as a table
admin-hour = Hour from
admin-number = Number
admin-actor = Who
admin-subject = About
admin-audit-hint = Leave it empty to see everything.
admin-audit-none = There are no entries.
admin-audit-older = Older entries
admin-audit-export-hint = The whole trail, one JSON object a line, oldest first.
notice-unlocked-subject = Your { $institution } account was unlocked
notice-unlocked = the help desk has unlocked your account { $username }. If you did not ask for this, contact { $support-name } at once.
notice-reset-started-subject = A reset of your { $institution } password was started
notice-reset-started = the help desk has started a reset of the password of your account { $username } and has sent you a code for it. If you did not ask for this, contact { $support-name } at once and do not pass the code on.

## Notices by mail

notice-greeting = Hello { $name },
notice-activated-subject = Your { $institution } account is active
notice-activated = your account { $username } was activated. If this was not you, contact { $support-name } at once.
notice-updated-subject = Your { $institution } account was updated
notice-updated = the security data of your account { $username } was updated. If this was not you, contact { $support-name } at once.
notice-password-changed-subject = Your { $institution } password was changed
notice-password-changed = the password of your account { $username } was changed. If this was not you, contact { $support-name } at once.
notice-mailbox-password-changed-subject = The password of your mailbox was changed
notice-mailbox-password-changed = the password of the mailbox of { $username } was changed. If this was not you, contact { $support-name } at once.
notice-factor-added-subject = A second factor was added to your { $institution } account
notice-factor-added = a second factor was added to your account { $username }. If this was not you, contact { $support-name } at once.
notice-device-added-subject = A Wi-Fi password was made for your { $institution } account
notice-device-added = a Wi-Fi password for a device was made for your account { $username }. If this was not you, contact { $support-name } at once.
notice-device-revoked-subject = A Wi-Fi password of your { $institution } account was removed
notice-device-revoked = the Wi-Fi password of a device was removed from your account { $username }. If this was not you, contact { $support-name } at once.
notice-factor-revoked-subject = A second factor was removed from your { $institution } account
notice-factor-revoked = a second factor was removed from your account { $username }. If this was not you, contact { $support-name } at once.

## Codes by mail and text message, where `[message]` does not say them otherwise. Placeholders stand for themselves.

message-code-subject = { $institution }: your passcode
message-code-text =
    Hello { $name },

    your passcode is { $code }

    It is good for { $minutes } minutes, and once. Nobody will ask you for it by telephone or mail. If you did not just log in, somebody else knows your password: change it.
message-code-html =
    <p>Hello { $name },</p>
    <p>your passcode is</p>
    <p style='font-size:2em;letter-spacing:.2em'><b>{ $code }</b></p>
    <p>It is good for { $minutes } minutes, and once. Nobody will ask you for it by telephone or mail. If you did not just log in, somebody else knows your password: change it.</p>
message-support-text =
    { $institution }
    { $campus }
    { $support-name }
    Telephone: { $support-phone }
    E-mail: { $support-email }
    Frequent questions: { $faq }
message-support-html =
    <p>{ $institution }</p>
    <p>{ $campus }</p>
    <p>{ $support-name }</p>
    <p>Telephone: { $support-phone }</p>
    <p>E-mail: <a href='mailto:{ $support-email }'>{ $support-email }</a></p>
    <p><a href='{ $faq }'>Frequent questions</a></p>
message-sms = { $code } is your { $institution } passcode, good for { $minutes } minutes. Nobody will ask you for it.
