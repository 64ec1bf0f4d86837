# Las palabras del portal. En cada mensaje puede haber `{ $institution }`, `{ $campus }`, `{ $support-name }`, `{ $support-phone }`, `{ $support-email }`.

language-name = Español

## Every page

toolkit-title = Herramientas de autenticación segura
skip-to-content = Ir al contenido
sign-in = Iniciar sesión
sign-out = Cerrar sesión
signed-in-as = Sesión de { $username }
home = Herramientas
my-security = Mi seguridad
help-desk = Mesa de ayuda
administration = Administración
language = Idioma
support-heading = Ayuda y soporte
support-faq = Respuestas a preguntas frecuentes
continue-button = Continuar
cancel-button = Cancelar
back-to-toolkit = Volver a las herramientas
required-note = Los campos con asterisco son obligatorios.
session-ends = Por su seguridad, esta página termina { $minutes } minutos después de lo último que haga aquí.
session-over = Pasó demasiado tiempo, o usted comenzó en otra ventana. Comience de nuevo.
session-warning = Esta página está por terminar. Quédese aquí, o tendrá que comenzar de nuevo.
session-stay = Quedarme aquí
step-done-already = Este paso ya estaba hecho. Continúe aquí.
too-many = Llegaron demasiadas solicitudes desde su dirección. Espere { $seconds } segundos e intente de nuevo.
not-available = Esto no funciona en este momento. No se cambió nada. Intente de nuevo en unos minutos.
error-heading = Hay algo que corregir
page-missing = Esa página no existe.
page-forbidden = Usted no puede ver esta página.
form-stale = Esta página era demasiado antigua y no tuvo efecto. Continúe desde aquí.
acceptable-use = Al usar su nombre de usuario para acceder a los servicios, usted acepta TODAS las políticas y normas de uso aceptable publicadas en
acceptable-use-link = Políticas de uso aceptable
username = Nombre de usuario
userid = USERID
password = Contraseña
passcode = Código de acceso
wrong-login = El nombre de usuario o la contraseña no es correcto, o esta cuenta no se puede usar aquí. Revise ambos e intente de nuevo; después de muchos intentos, espere un rato. Si no lo logra, comuníquese con { $support-name }.
wrong-passcode = Ese código de acceso no es correcto o ya venció. Revíselo e intente de nuevo, o pida uno nuevo.
wrong-passcode-renewed = Ese código de acceso no es correcto y era el último intento con él. Va en camino un código de acceso nuevo; el anterior ya no vale.
wrong-passcode-limited = Ese código de acceso no es correcto y era el último intento con él. Por ahora no se pueden enviar más códigos de acceso allí. Elija otra forma, intente más tarde o pida ayuda a la mesa de ayuda.
throttled = Fallaron demasiados intentos. Espere un momento e intente de nuevo.
password-is-expired = Su contraseña venció. Primero restablézcala.
password-must-change = Su contraseña venció. Elija una nueva aquí; antes no se puede hacer nada más.
demo-sent = Lo que se envió

## Landing page

toolkit-intro = Prepare y cuide las llaves de su cuenta de { $institution }: actívela, indique cómo podemos comunicarnos con usted, elija una contraseña nueva y agregue un segundo cerrojo que solo usted pueda abrir.
audience-community = Docentes, personal y estudiantes
audience-alumni = Solo exalumnos
audience-optional = Opcional
topic-activation = Activación de usuarios nuevos
topic-activation-1 = Tenga a mano su nombre de usuario. Se lo envió su departamento o la oficina de admisiones.
topic-activation-2 = Enviamos un código de acceso a una dirección de correo o a un teléfono que ya tenemos registrado.
topic-activation-3 = Indique cómo podemos comunicarnos con usted, elija sus preguntas de seguridad y establezca su contraseña.
topic-activation-button = Activar mi cuenta
topic-registration = Registre sus datos de seguridad
topic-registration-1 = Obligatorio para todos los docentes, el personal y los estudiantes: sin esto no se puede restablecer aquí una contraseña olvidada.
topic-registration-2 = Inicie sesión, escriba números de teléfono y una dirección de correo ajena a la universidad, y elija sus preguntas de seguridad.
topic-registration-3 = Confirme cada uno con el código de acceso que le enviamos allí.
topic-registration-button = Registrar mis datos de seguridad
topic-reset = Restablezca su contraseña
topic-reset-1 = Para contraseñas olvidadas o vencidas. Necesita tener registrados sus datos de seguridad.
topic-reset-2 = Escriba su nombre de usuario, elija cómo quiere recibir un código de acceso y escríbalo.
topic-reset-3 = Elija una contraseña nueva. Vale de inmediato, en todas partes.
topic-reset-button = Restablecer mi contraseña
topic-mailbox = Establezca o restablezca la contraseña de su buzón
topic-mailbox-1 = Para exalumnos: el buzón de su época de estudiante tiene su propia contraseña.
topic-mailbox-2 = Inicie sesión con su nombre de usuario y contraseña.
topic-mailbox-3 = Elija la contraseña nueva del buzón.
topic-mailbox-button = Establecer la contraseña de mi buzón
topic-key = Registre su dispositivo de autenticación Yubikey
topic-key-1 = Una YubiKey es una llave pequeña para el puerto USB que escribe un código de acceso cuando usted la toca.
topic-key-2 = Inicie sesión, conéctela y tóquela.
topic-key-button = Registrar mi Yubikey
topic-app = Configure la aplicación de códigos de un solo uso
topic-app-1 = Una aplicación en su teléfono muestra un código de acceso nuevo cada medio minuto, incluso sin conexión.
topic-app-2 = Instale una, inicie sesión y escanee el código que le mostramos.
topic-app-button = Configurar la aplicación
topic-practices = Buenas prácticas para contraseñas
topic-practices-1 = Qué hace buena a una contraseña y cuáles son nuestras reglas.
topic-practices-button = Leer los consejos
topic-use = Uso aceptable
institution-policies = las páginas de { $institution }

## Passcodes

choose-heading = ¿Cómo quiere recibir su código de acceso?
choose-intro = Elija una opción. El código de acceso vale durante { $minutes } minutos.
method-email = Correo electrónico
method-voice = Llamada
method-sms = SMS/Mensaje de texto
method-yubikey = Dispositivo Yubikey
method-totp = Aplicación de códigos de un solo uso
method-hotp = Generador de códigos de acceso
method-recovery = Código de recuperación
method-temporary = Código de la mesa de ayuda
method-device-password = Contraseña de Wi-Fi de un dispositivo
method-to = { $method } a { $destination }
send-passcode = Enviar código de acceso
enter-heading = Escriba el código de acceso
enter-sent-email = Enviamos un código de acceso por correo electrónico a { $destination }. Puede tardar un minuto en llegar; revise también la carpeta de correo no deseado.
enter-sent-voice = Estamos llamando a { $destination } para dictarle un código de acceso.
enter-sent-sms = Enviamos un código de acceso por mensaje de texto a { $destination }.
enter-yubikey = Conecte su llave y tóquela. Ella escribe el código de acceso.
enter-totp = Abra la aplicación y escriba el código de acceso que muestra.
enter-hotp = Presione el botón de su generador y escriba lo que muestra.
enter-recovery = Escriba uno de sus códigos de recuperación. Cada uno vale una sola vez.
enter-temporary = Escriba el código que le dio la mesa de ayuda.
enter-until = El código de acceso vale hasta { $time }.
verify-button = Verificar
resend-button = Enviar otro código de acceso
other-method = Elegir otra forma
resent = Va en camino un código de acceso nuevo. El anterior ya no vale.
send-limited = Por ahora no se pueden enviar más códigos de acceso. Use otra forma o intente más tarde.
no-method-heading = No podemos ayudarle en esta página
no-method = Este nombre de usuario no se puede usar aquí, o no tenemos cómo enviarle un código de acceso. { $support-name } puede ayudarle: tenga a mano un documento de identidad.
second-proof-heading = Un código de acceso más
second-proof = Su cuenta tiene un segundo factor. Demuestre que también es suyo.

## Activation

activation-title = Activación de usuarios nuevos
activation-intro = Escriba el nombre de usuario que le dieron.
activation-contacts-heading = ¿Cómo podemos comunicarnos con usted?
activation-contacts-intro = Usamos estos datos para enviarle códigos de acceso y para avisarle cuando algo cambia en su cuenta.
activation-questions-heading = Sus preguntas de seguridad
activation-password-heading = Establecer la contraseña
activation-second-intro = Reciba un segundo código de acceso en un contacto que acaba de escribir. Así se comprueba que el contacto es correcto.
activation-delivery = ¿A dónde enviamos el segundo código de acceso?
activation-agree = Leí las políticas de uso aceptable y las acepto.
activation-agree-missing = Su cuenta solo se puede activar si usted acepta las políticas de uso aceptable.
activation-done = Su cuenta está activa. Ya puede usar su nombre de usuario y su contraseña.
submit-button = Enviar

## Registration

registration-title = Registre sus datos de seguridad
registration-due = Registre sus datos de seguridad: sin ellos no se puede restablecer aquí una contraseña olvidada.
registration-intro = El registro es obligatorio para todos los docentes, el personal y los estudiantes.
contact-mobile = Teléfono móvil o alternativo (para mensajes de texto)
contact-phone = Teléfono del trabajo o de la casa
contact-email = Correo electrónico externo, no universitario (dirección alternativa)
contact-mobile-hint = Con el código de país si es del extranjero, por ejemplo +44 20 7946 0958.
contact-phone-hint = Para llamadas que le dictan un código de acceso.
contact-email-hint = Una dirección que usted pueda leer sin su contraseña de { $institution }.
contact-proven = Confirmado: { $value }
contact-waiting = Todavía sin confirmar: { $value }
contact-remove = Quitar
contact-confirm = Confirmar
contact-confirm-heading = Confirme { $value }
contact-confirmed = Se confirmó { $value }.
contact-bad-phone = No podemos llamar a ese número de teléfono. Escríbalo con el código de área, y con el código de país si es del extranjero.
contact-bad-email = Esa no es una dirección de correo electrónico. Revise si faltan caracteres o si alguno está mal.
contact-own-domain = Escriba una dirección ajena a la universidad: esta no la podría leer si pierde su contraseña.
contact-one-needed = Escriba al menos un número de teléfono o una dirección de correo electrónico.
questions-legend = Preguntas de seguridad
questions-intro = { $count ->
    [one] Elija una pregunta y respóndala. Con tres letras o más.
   *[other] Elija { $count } preguntas distintas y respóndalas. Con tres letras o más cada una.
}
question-slot = Pregunta { $number }
question-choose = Elija una pregunta
answer = Respuesta
answer-slot = Respuesta a la pregunta { $number }
answer-kept = Ya respondida. Déjela vacía para conservar su respuesta.
helpdesk-legend = Pregunta de verificación de la mesa de ayuda
helpdesk-optional = Opcional. Cuando usted llame, la mesa de ayuda puede hacerle esta pregunta.
helpdesk-required = Cuando usted llame, la mesa de ayuda le hará esta pregunta.
answers-notice = El personal de soporte no puede ver estas respuestas. Solo puede ver la pregunta de verificación de la mesa de ayuda y su respuesta.
save-button = Guardar
update-button = actualizar
updated = Su información se actualizó correctamente.
problem-questions = Elija y responda { $count } preguntas.
problem-duplicate = Cada pregunta se puede elegir una sola vez.
problem-answer-short = Esta respuesta es demasiado corta. Use tres letras o más.
problem-answer-long = Esta respuesta es demasiado larga. Use 200 caracteres como máximo.
problem-answer-trivial = Esta respuesta es demasiado fácil de adivinar.
problem-answer-question = Esta respuesta es una palabra de la pregunta.
problem-answer-username = Su nombre de usuario no sirve como respuesta.
problem-answer-repeated = Cada respuesta debe ser distinta.
problem-answer-told = La mesa de ayuda oye esta respuesta, así que debe ser distinta de las que nadie ve.
problem-helpdesk = Elija y responda la pregunta de verificación de la mesa de ayuda.
question-first-pet = ¿Cómo se llamaba su primera mascota?
question-first-street = ¿En qué calle vivía cuando era niño o niña?
question-first-school = ¿Cómo se llamaba su primera escuela?
question-first-job = ¿En qué ciudad tuvo su primer trabajo?
question-childhood-friend = ¿Cuál era el apellido de su mejor amistad de la infancia?
question-childhood-hero = ¿Qué personaje admiraba más en su infancia?
question-grandmother-name = ¿Cuál es el nombre de pila de su abuela materna?
question-parents-met = ¿En qué ciudad se conocieron sus padres?
question-favourite-teacher = ¿Cómo se llamaba el docente que más le gustaba?
question-first-concert = ¿A qué grupo o cantante escuchó en su primer concierto?
question-dream-job = ¿Qué quería ser usted cuando era niño o niña?
question-holiday-place = ¿Dónde pasó las vacaciones que mejor recuerda?

## Password

reset-title = Restablezca su contraseña
reset-intro = Escriba su nombre de usuario. Después le ofrecemos las formas de recibir un código de acceso.
reset-question-heading = Su pregunta de seguridad
wrong-answer = Esa no es la respuesta que usted registró.
new-password-heading = Elija una contraseña nueva
new-password = Contraseña nueva
new-password-again = Contraseña nueva, otra vez
passwords-differ = Las dos contraseñas no son iguales.
requirements-heading = Su contraseña nueva
requirement-met = cumplido
requirement-min-length = tiene { $count } caracteres o más
requirement-max-length = tiene { $count } caracteres o menos
requirement-characters = solo tiene letras, dígitos, puntuación, símbolos comunes y espacios
requirement-classes = tiene { $count } de estos grupos: mayúsculas, minúsculas, dígitos, otros caracteres
requirement-no-username = no contiene su nombre de usuario, ni al derecho ni al revés
requirement-no-words = no contiene el nombre de la institución
requirement-no-pattern = no es una fila del teclado ni repite un patrón
requirement-uncommon = no es de las que los atacantes prueban primero
requirement-strength = es difícil de adivinar
password-short = Use al menos { $count } caracteres.
password-long = Use { $count } caracteres como máximo.
password-bytes = Use una contraseña más corta.
password-character = Use solo letras, dígitos, puntuación, símbolos comunes y espacios: uno de los caracteres no se puede usar.
password-classes = Use al menos { $count } de estos grupos: mayúsculas, minúsculas, dígitos, otros caracteres.
password-username = No incluya su nombre de usuario, ni al derecho ni al revés.
password-word = No incluya la palabra «{ $word }»: aquí cualquiera la probaría primero.
password-common = Elija otra: está hecha de contraseñas que usa mucha gente.
password-repeated = Elija otra: repite los mismos pocos caracteres.
password-sequence = Elija otra: sigue el alfabeto, los dígitos o las filas del teclado.
password-listed = Elija otra: está en una lista de contraseñas que los atacantes prueban primero.
advice-more-words = Agregue una o dos palabras más; mejor si son poco comunes.
advice-few-words = Use unas cuantas palabras que no tengan relación entre sí; no hacen falta signos, dígitos ni mayúsculas.
advice-common = Mucha gente usa esta contraseña; use unas cuantas palabras que no tengan relación entre sí.
advice-like-common = Se parece mucho a una contraseña que usa mucha gente; agregue palabras que no estén en ella.
advice-one-word = Una sola palabra es fácil de adivinar; agregue otras que no tengan relación con ella.
advice-names = Los nombres son fáciles de adivinar; agregue palabras que no sean nombres.
advice-keyboard = Las teclas vecinas son fáciles de adivinar; use palabras.
advice-repetition = Repetir agrega poco; agregue otras palabras.
advice-sequence = Las secuencias como abc o 6543 son fáciles de adivinar; use palabras.
advice-year = Los años son fáciles de adivinar, sobre todo los que tienen que ver con usted; use palabras.
advice-date = Las fechas son fáciles de adivinar, sobre todo las que tienen que ver con usted; use palabras.
advice-capitals = Las mayúsculas agregan poco; agregue una o dos palabras más.
advice-backwards = Las palabras al revés apenas son más difíciles de adivinar; agregue una o dos palabras más.
advice-stand-ins = Poner signos y dígitos en lugar de letras agrega poco; agregue una o dos palabras más.
strength = Seguridad: { $level ->
    [0] muy débil
    [1] débil
    [2] regular
    [3] buena
   *[4] fuerte
}
show-password = Mostrar
password-refused = Esta contraseña no se puede usar: { $why }
change-button = Cambiar la contraseña
password-changed = La contraseña se cambió correctamente.
password-changed-hint = Vale de inmediato para el correo, el wifi, la VPN y todo lo demás. Cámbiela también en su teléfono y en sus otros dispositivos.

## Mailbox

mailbox-title = Establezca o restablezca la contraseña de su buzón
mailbox-intro = Aquí se establece la contraseña de su buzón de estudiante { $account }. La contraseña de su nombre de usuario no cambia.
mailbox-only-alumni = Esta página es para exalumnos. Si usted lo es, comuníquese con { $support-name }.
mailbox-changed = La contraseña de su buzón se cambió.
mailbox-missing = El proveedor de correo no tiene el buzón { $account }. Comuníquese con { $support-name }.
mailbox-refused = El proveedor de correo no acepta esta contraseña: { $why }
mailbox-later = El proveedor de correo está ocupado. No se cambió nada. Intente de nuevo en unos minutos.
mailbox-failed = El proveedor de correo no pudo cambiar la contraseña. No se cambió nada. Intente más tarde o comuníquese con { $support-name }.
mailbox-unknown = El proveedor de correo no respondió a tiempo, así que no se sabe si la contraseña se cambió. Pruebe la nueva; si no funciona, establézcala otra vez.
mailbox-account-label = Buzón
mailbox-none = No conocemos ningún buzón suyo. Si tuvo uno como estudiante, comuníquese con { $support-name }.
mailbox-not-here = Las contraseñas de los buzones no se pueden establecer aquí. Comuníquese con { $support-name }.
mailbox-button = Establecer la contraseña
mailbox-provider-rules = El proveedor de correo puede pedir más, y se lo indica.

## YubiKey

key-title = Registre su dispositivo de autenticación Yubikey
key-where = Puede comprar una YubiKey en
key-where-link = yubico.com
key-intro = Sirve cualquier modelo que pueda escribir contraseñas de un solo uso (YubiKey 5 y otros con Yubico OTP).
key-name = Nombre de la llave
key-name-hint = Por ejemplo, «llavero azul». Lo verá en la lista de sus llaves.
key-touch = Haga clic en este campo y toque su llave
key-register-button = Registrar
key-registered = Su llave { $name } quedó registrada. «Dispositivo Yubikey» ya está entre las formas de recibir un código de acceso.
key-verify-title = Compruebe que su llave funciona
key-verify-button = Verificar
key-verified = Su llave { $name } funciona.
key-verify-link = Comprobar una llave
key-buy-heading = Dónde comprar una
key-local = { $support-name } sabe si su departamento entrega llaves y qué modelos admite.
key-begin-button = Registrar una llave
key-register-heading = Registre su llave
key-touch-hint = Escribe 44 letras y presiona Intro. Si una llave no escribe nada, tóquela por más tiempo; si tampoco así, le falta Yubico OTP.
key-again = Registrar otra llave
key-no-password = Esto no es lo que escribe una YubiKey. Vacíe el campo, haga clic en él y toque la llave una vez. Si su teclado no está en inglés, cámbielo a inglés e intente de nuevo.
key-without-id = Esta llave no dice cuál es. Comuníquese con { $support-name }.
key-programmed-anew = Esta llave se programó de nuevo después de entregarse. Comuníquese con { $support-name }.
key-used-before = Esto ya se había escrito antes. Toque la llave una vez más.
key-unknown = Aquí nadie conoce esta llave. Comuníquese con { $support-name }.
key-refused = Esta llave no se aceptó. Tóquela una vez más; si no funciona, comuníquese con { $support-name }.
key-of-another = Esta llave está registrada para otra persona. Use otra.
key-yours-already = Usted ya tiene registrada esta llave.
key-was-removed = Esta llave se quitó antes y no se puede registrar de nuevo sin más. Comuníquese con { $support-name }.
key-verify-intro = Toque su llave. Lo que escribe se consume y no va a ningún otro lugar.
key-not-verified = Esto no es lo que escribe una de sus llaves, o ya se había escrito antes. Toque la llave una vez más.
key-none = Todavía no registró ninguna llave.

## One-time-passcode app

app-title = Configure la aplicación de códigos de un solo uso
app-intro = Instale en su teléfono una aplicación de códigos de un solo uso. Sirve cualquiera que siga la norma RFC 6238.
app-store = Tienda
app-app = Aplicaciones
app-apple = App Store de Apple
app-android = Google Play
app-windows = Microsoft Store
app-hint = Permita las notificaciones y la cámara cuando la aplicación lo pida.
app-begin-button = comenzar la configuración
app-enroll-heading = inscribir
app-enroll-button = inscribir
app-scan = Escanee esto con la aplicación.
app-qr = Código QR con la clave de su cuenta
app-key = O escriba esta clave en la aplicación:
app-name = Nombre del dispositivo
app-first = Escriba el código de acceso que la aplicación muestra ahora
app-wrong = Este no es el código de acceso de esta clave. Espere el siguiente e intente de nuevo; compruebe que el reloj del teléfono esté en hora.
app-pin-heading = Elija un PIN
app-pin-intro = Usted escribe el PIN antes de cada código de acceso. { $min ->
    [4] Bastan cuatro dígitos.
   *[other] Tiene { $min } dígitos o más.
}
app-pin = PIN
app-pin-again = PIN, otra vez
app-pins-differ = Los dos PIN no son iguales.
app-done = ¡Felicitaciones! Su cuenta se creó.
app-begin-hint = Usted inicia sesión y demuestra con un código de acceso que es usted.
app-platform-apple = iPhone, iPad
app-platform-android = Android
app-platform-windows = Windows
app-and = y
app-name-hint = Por ejemplo, «mi teléfono». Lo verá en la lista de sus dispositivos.
app-name-heading = Póngale nombre al dispositivo
app-scan-heading = Agregue su cuenta a la aplicación
app-open = Abrir la aplicación en este dispositivo
app-confirm-button = Confirmar
app-cancel = Cancelar la configuración
app-cancelled = La configuración se canceló. Lo que muestra la aplicación no vale; bórrelo allí.
app-confirmed = La aplicación funciona.
app-pin-button = Establecer el PIN
app-pin-skip = Continuar sin PIN
app-pin-set = El PIN quedó establecido.
app-pin-due = Aquí se exige un PIN. Elija uno antes de continuar.
app-pin-change = Elegir un PIN nuevo
app-pin-rows = Sin filas, sin dígitos repetidos, sin años.
app-done-next = Sus códigos de acceso valen desde ahora.
app-recovery = ¿Y si pierde el teléfono? Cree ahora códigos de recuperación y guárdelos en papel.
app-another = Configurar otro dispositivo
pin-short = Use al menos { $count } dígitos.
pin-long = Use { $count } dígitos como máximo.
pin-digits = Use solo los dígitos del 0 al 9.
pin-repeated = Este PIN es demasiado fácil de adivinar: repite los mismos dígitos. Elija otro.
pin-sequence = Este PIN es demasiado fácil de adivinar: sus dígitos son consecutivos. Elija otro.
pin-keypad = Este PIN es demasiado fácil de adivinar: es una línea del teclado. Elija otro.
pin-year = Este PIN es demasiado fácil de adivinar: es un año. Elija otro.
pin-date = Este PIN es demasiado fácil de adivinar: es una fecha. Elija otro.
pin-mirrored = Este PIN es demasiado fácil de adivinar: al revés es igual. Elija otro.
pin-common = Este PIN es demasiado fácil de adivinar: lo usa mucha gente. Elija otro.

## My security

factors-title = Mi seguridad
factors-heading = Segundos factores
factors-none = Todavía no tiene ninguno.
factor-kind = Tipo
factor-name = Nombre
factor-since = Desde
factor-used = Último uso
factor-never = nunca
factor-add = Agregar uno
factor-rename = Cambiar el nombre
factor-revoke = Quitar
factor-revoke-heading = ¿Quitar { $name }?
factor-revoke-hint = Sus códigos de acceso dejarán de valer. Si lo perdió, esto es lo correcto.
factor-revoked = Se quitó { $name }.
factor-renamed = Se cambió el nombre.
recovery-heading = Códigos de recuperación
recovery-intro = Códigos en papel para el día en que haya perdido todo lo demás. Cada uno vale una sola vez.
recovery-left = { $count ->
    [one] Queda un código.
   *[other] Quedan { $count } códigos.
}
recovery-button = Crear códigos de recuperación nuevos
recovery-once = Anótelos o imprímalos ahora. Solo se muestran esta vez. Los anteriores ya no valen.
activity-heading = Actividad reciente
activity-when = Cuándo
activity-what = Qué
activity-where = Dónde
activity-result = Resultado
change-password = Cambiar mi contraseña
present-password = Contraseña actual
wrong-present-password = La contraseña actual no es correcta.
factors-many = Ya tiene { $count } dispositivos. Quite uno que ya no use.
factors-gone = Este ya se había quitado.
factor-add-app = Configurar una aplicación
factor-add-key = Registrar una YubiKey
factor-pin = PIN
factor-name-label = Nombre
factor-rename-heading = Cambiar el nombre de { $name }
factor-keep = Conservarlo
devices-heading = Contraseñas de Wi-Fi de sus dispositivos
devices-intro = Un teléfono o una computadora puede conectarse a Wi-Fi con una contraseña propia. Si lo pierde, quite esa contraseña: sus otros dispositivos siguen conectándose.
devices-none = Ninguno de sus dispositivos tiene una.
device-add = Crear una contraseña de Wi-Fi para un dispositivo
device-name = Nombre del dispositivo
device-name-hint = Por ejemplo, «teléfono» o «portátil», para saber después cuál es.
device-name-problem = Dé un nombre al dispositivo, de 1 a 64 caracteres.
device-name-taken = Ya tiene un dispositivo llamado { $name }. Elija otro nombre o quite primero ese.
device-button = Crear la contraseña
device-made = Contraseña de Wi-Fi para { $name }
device-once = Escríbala ahora en este dispositivo, con sus guiones. Solo se muestra esta vez y nadie podrá volver a leerla.
device-password = Contraseña de Wi-Fi
device-hint = Úsela solo en este dispositivo y solo para Wi-Fi. Si la pierde, quítela y cree otra.
device-back = Ya la tengo. Volver a mi seguridad
device-revoke-hint = El dispositivo ya no podrá conectarse a Wi-Fi con ella. Si perdió el dispositivo, esto es lo correcto.
recovery-none = No tiene ninguno.
recovery-print = Imprima esta página o escriba los códigos en papel. No los guarde en el teléfono que reemplazan.
recovery-replaces = Los códigos que tiene ahora dejarán de valer.
recovery-heading-new = Sus códigos de recuperación nuevos
recovery-back = Ya los tengo. Volver a mi seguridad
contacts-heading = Cómo podemos comunicarnos con usted
contacts-none = Todavía no registró nada.
contacts-unproven = todavía sin confirmar
contacts-change = Cambiar esto
password-heading = Contraseña
password-title = Cambie su contraseña
acceptance-heading = Uso aceptable
acceptance-when = Usted aceptó las políticas de uso aceptable, versión { $version }, el { $time }.
acceptance-none = Usted todavía no aceptó las políticas de uso aceptable.
activity-intro = Si ve algo que no hizo usted, cambie su contraseña y comuníquese con { $support-name }.
activity-none = Todavía nada.
activity-here = aquí
activity-here-from = aquí, desde { $address }
activity-staff = quienes administran las cuentas
activity-good = hecho
activity-asked = se pidió un código de acceso
activity-refused = rechazado
activity-open = no se sabe
activity-login = Inicio de sesión
activity-portal = Inicio de sesión aquí
activity-reset = Código de acceso para una contraseña nueva
activity-activation = Código de acceso para la activación
activity-contact = Se iba a confirmar un contacto
activity-security = Se cambiaron los datos de seguridad
activity-activated = Se activó la cuenta
activity-password = Se cambió la contraseña
activity-present-password = Se pidió la contraseña actual
activity-lock = Se bloqueó la cuenta
activity-unlock = Se desbloqueó la cuenta
activity-factor-added = Se agregó un segundo factor
activity-factor-confirmed = Se confirmó una aplicación nueva de códigos
activity-factor-renamed = Se cambió el nombre de un segundo factor
activity-factor-revoked = Se quitó un segundo factor
activity-factor-resync = Se sincronizó un generador
activity-device = Conexión de un dispositivo a Wi-Fi
activity-device-added = Se creó una contraseña de Wi-Fi para un dispositivo
activity-device-renamed = Se cambió el nombre de un dispositivo
activity-device-revoked = Se quitó la contraseña de Wi-Fi de un dispositivo
activity-code = La mesa de ayuda entregó un código
activity-question = La mesa de ayuda consultó la pregunta de verificación
activity-desk-verified = La mesa de ayuda verificó quién llamaba
activity-desk-reset = La mesa de ayuda inició un restablecimiento de la contraseña
activity-reset-question = Se hizo la pregunta de seguridad
activity-mailbox = Se iba a establecer la contraseña del buzón

## Best practices

practices-title = Buenas prácticas para contraseñas
practices-rules = Nuestras reglas
practices-advice = Consejos
practices-1 = Más vale larga que complicada: cuatro o cinco palabras sin relación entre sí son fáciles de recordar y difíciles de adivinar.
practices-2 = Use aquí una contraseña que no use en ningún otro lugar.
practices-3 = Deje que un administrador de contraseñas la recuerde.
practices-4 = Nunca le pedimos su contraseña por correo, mensaje de texto ni teléfono. Nadie que trabaje aquí la necesita.
practices-5 = Agregue un segundo factor: así, una contraseña robada no abre nada por sí sola.
practices-6 = Cámbiela de inmediato si alguien pudiera conocerla. Si no, no hace falta cambiarla.
practices-expiry = Aquí las contraseñas vencen solo si su directorio lo dispone.

## Help desk and administration

desk-title = Mesa de ayuda
desk-find = Buscar a una persona
desk-find-label = Nombre de usuario
desk-none = No hay nadie con este nombre de usuario.
desk-status = Estado
desk-roles = Roles
desk-groups = Grupos
desk-contacts = Contactos
desk-registered = Registrado
desk-failures = Intentos fallidos
desk-question-button = Mostrar la pregunta de la mesa de ayuda
desk-question-hint = Cada consulta de la pregunta queda anotada.
desk-question-none = Esta persona no tiene pregunta de la mesa de ayuda.
desk-question-unknown = Una pregunta que ya no se hace ({ $name })
desk-verified-button = La persona que llama está verificada
desk-verified = Verificada hasta { $time }.
desk-not-verified = Primero verifique a la persona que llama.
desk-code-button = Enviar un código de un solo uso a { $destination }
desk-code-sent = Va en camino un código a { $destination }. No se muestra aquí.
desk-unlock-button = Desbloquear
desk-unlocked = La cuenta está desbloqueada.
desk-revoke-button = Quitar
desk-reset-button = Iniciar el restablecimiento de la contraseña
desk-reset-started = La persona ya puede restablecer la contraseña con el código que se envió a { $destination }.
admin-title = Administración
admin-coverage = Registro
admin-coverage-other = Personas de ningún campus
admin-coverage-all = Todos los campus
admin-people = Personas
admin-activated = Activadas
admin-registered = Registradas
admin-second-factor = Segundo factor
admin-dead-letters = Mensajes que no se pudieron enviar
admin-clients = Clientes
admin-audit = Registro de auditoría
admin-audit-search = Nombre de usuario
admin-audit-find = Buscar
admin-audit-export = Exportar
admin-logins = Inicios de sesión de las últimas 24 horas
admin-accepted = Aceptados
admin-refused = Rechazados
desk-find-hint = Completo o en parte: en ese caso aparecen las personas cuyo nombre de usuario lo contiene.
desk-found = { $count ->
    [one] Una persona
   *[other] { $count } personas
}
desk-found-more = Puede haber más. Escriba más letras del nombre de usuario.
desk-name = Nombre
desk-person = { $username }
desk-valid-until = termina el { $time }
desk-not-registered = Todavía no
desk-of-directory = { $value } (del directorio)
desk-failures-none = Ninguno
desk-blocked = sin otro intento antes de { $time }
desk-verify-heading = ¿Quién llama?
desk-reason = Qué más demuestra quién llama
desk-reason-hint = Solo si no comparó la respuesta: diga qué vio, por ejemplo «documento de identidad en el mostrador». Queda anotado. No escriba aquí números de documentos.
desk-reason-missing = Primero muestre la pregunta y compare la respuesta, o diga en pocas palabras qué más demuestra quién llama.
desk-factors-none = Esta persona no tiene ninguno.
desk-pending = espera su primer código de acceso
desk-code-heading = Código de un solo uso y restablecimiento
desk-code-hint = El código se envía a la persona, que lo lee allí. Si perdió un dispositivo, quítelo arriba antes de iniciar un restablecimiento.
desk-nowhere = No hay ningún contacto al que se pueda enviar un código.
desk-reset-to = Iniciar el restablecimiento de la contraseña con un código a { $destination }
desk-limited = Por ahora no se pueden enviar más códigos allí. Intente más tarde o use otro contacto.
desk-unregistered = Esta persona no registró datos de seguridad, así que aquí no se puede restablecer la contraseña.
desk-account-heading = Cuenta
desk-lock-button = Bloquear
desk-lock-hint = Nadie puede iniciar sesión con una cuenta bloqueada. Puede bloquearla de inmediato si es posible que otra persona la esté usando.
desk-locked = La cuenta está bloqueada.
desk-unlock-hint = Termina un bloqueo y la espera después de intentos fallidos.
desk-half-unlocked = La cuenta está desbloqueada aquí, pero es posible que el directorio la tenga todavía bloqueada.
desk-not-now = Esto no se puede hacer en el estado actual de la cuenta.
desk-gone = Eso ya no está. Vea cómo están las cosas ahora.
status-active = activa
status-new = todavía sin activar
status-locked = bloqueada
status-disabled = desactivada
role-faculty = Docente
role-staff = Personal
role-student = Estudiante
role-alumnus = Exalumno
role-none = Sin rol
counter-password = Contraseña
counter-sent = Códigos de acceso enviados
counter-reset = Restablecimientos y activaciones
counter-questions = Preguntas de seguridad
admin-part = { $count } ({ $percent } %)
admin-dead-none = No hay ninguno.
admin-destination = Destino
admin-reason = Motivo
admin-clients-none = No hay ninguno.
admin-client = Cliente
admin-networks = Redes
admin-policy = Pide
admin-group = Grupo { $group }: { $policy }
admin-unauthenticated = Se aceptan solicitudes sin Message-Authenticator.
policy-password = Contraseña
policy-passcode = Código de acceso
policy-pin-and-passcode = PIN y código de acceso
policy-required = Contraseña y código de acceso
policy-if-enrolled = Contraseña, y código de acceso a quien tiene un segundo factor
admin-chart = Se aceptaron { $accepted } inicios de sesión y se rechazaron { $refused }.
admin-chart-legend = Sobre la línea: aceptados. Bajo la línea: rechazados. Se cuentan de nuevo cada minuto.
admin-chart-since = Hay tantas entradas que solo se contaron las posteriores a { $time }.
admin-chart-table = Lo mismo en una tabla
admin-hour = Hora desde
admin-number = Cantidad
admin-actor = Quién
admin-subject = Sobre
admin-audit-hint = Déjelo vacío para ver todo.
admin-audit-none = No hay entradas.
admin-audit-older = Entradas anteriores
admin-audit-export-hint = El registro completo, un objeto JSON por línea, de lo más antiguo a lo más reciente.
notice-unlocked-subject = Su cuenta de { $institution } se desbloqueó
notice-unlocked = La mesa de ayuda desbloqueó su cuenta { $username }. Si usted no lo pidió, comuníquese de inmediato con { $support-name }.
notice-reset-started-subject = Se inició el restablecimiento de su contraseña de { $institution }
notice-reset-started = La mesa de ayuda inició el restablecimiento de la contraseña de su cuenta { $username } y le envió un código para hacerlo. Si usted no lo pidió, comuníquese de inmediato con { $support-name } y no le dé el código a nadie.

## Notices by mail

notice-greeting = Hola, { $name }:
notice-activated-subject = Su cuenta de { $institution } está activa
notice-activated = Su cuenta { $username } se activó. Si no fue usted, comuníquese de inmediato con { $support-name }.
notice-updated-subject = Su cuenta de { $institution } se actualizó
notice-updated = Los datos de seguridad de su cuenta { $username } se actualizaron. Si no fue usted, comuníquese de inmediato con { $support-name }.
notice-password-changed-subject = Su contraseña de { $institution } se cambió
notice-password-changed = La contraseña de su cuenta { $username } se cambió. Si no fue usted, comuníquese de inmediato con { $support-name }.
notice-mailbox-password-changed-subject = La contraseña de su buzón se cambió
notice-mailbox-password-changed = La contraseña del buzón de { $username } se cambió. Si no fue usted, comuníquese de inmediato con { $support-name }.
notice-factor-added-subject = Se agregó un segundo factor a su cuenta de { $institution }
notice-factor-added = Se agregó un segundo factor a su cuenta { $username }. Si no fue usted, comuníquese de inmediato con { $support-name }.
notice-device-added-subject = Se creó una contraseña de Wi-Fi para su cuenta de { $institution }
notice-device-added = Se creó una contraseña de Wi-Fi de un dispositivo para su cuenta { $username }. Si no fue usted, comuníquese de inmediato con { $support-name }.
notice-device-revoked-subject = Se quitó una contraseña de Wi-Fi de su cuenta de { $institution }
notice-device-revoked = Se quitó la contraseña de Wi-Fi de un dispositivo de su cuenta { $username }. Si no fue usted, comuníquese de inmediato con { $support-name }.
notice-factor-revoked-subject = Se quitó un segundo factor de su cuenta de { $institution }
notice-factor-revoked = Se quitó un segundo factor de su cuenta { $username }. Si no fue usted, comuníquese de inmediato con { $support-name }.

## Codes by mail and text message, where `[message]` does not say them otherwise. Placeholders stand for themselves.

message-code-subject = { $institution }: su código de acceso
message-code-text =
    Hola, { $name }:

    su código de acceso es { $code }

    Vale { $minutes } minutos y una sola vez. Nadie se lo pedirá por teléfono ni por correo. Si no acaba de iniciar sesión, otra persona conoce su contraseña: cámbiela.
message-code-html =
    <p>Hola, { $name }:</p>
    <p>su código de acceso es</p>
    <p style='font-size:2em;letter-spacing:.2em'><b>{ $code }</b></p>
    <p>Vale { $minutes } minutos y una sola vez. Nadie se lo pedirá por teléfono ni por correo. Si no acaba de iniciar sesión, otra persona conoce su contraseña: cámbiela.</p>
message-support-text =
    { $institution }
    { $campus }
    { $support-name }
    Teléfono: { $support-phone }
    Correo: { $support-email }
    Preguntas frecuentes: { $faq }
message-support-html =
    <p>{ $institution }</p>
    <p>{ $campus }</p>
    <p>{ $support-name }</p>
    <p>Teléfono: { $support-phone }</p>
    <p>Correo: <a href='mailto:{ $support-email }'>{ $support-email }</a></p>
    <p><a href='{ $faq }'>Preguntas frecuentes</a></p>
message-sms = { $code }: su clave de { $institution }, vale { $minutes } minutos. Nadie se la pide.
