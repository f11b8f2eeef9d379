//! Cries for help and words that end all messages, in Brazilian Portuguese and a little English and Spanish: the two acts
//! that must never be missed, so the classifier has this net under it.
//!
//! Patterns are regular expressions over plain text (see `spelling`): folded words with one space between two and one
//! at either end. `{name}` stands for a group of [`GROUPS`]; `{n}` alone for up to n words of any kind. They describe
//! turns of phrase, never a trade, a product or a business.

use crate::Act;

/// Groups that patterns share.
pub(crate) const GROUPS: &[(&str, &str)] = &[
    (
        "kin",
        "(filho|filha|filhos|filhas|filhinho|filhinha|menino|menina|crianca|criancas|bebe|neto|neta|sobrinho|sobrinha|irmao|irma|mae|pai|avo|marido|esposa|mulher|esposo|namorado|namorada|idosa|idoso|vizinha|vizinho|amiga|amigo|aluno|aluna|rapaz|moca|senhora|senhor|homem|cliente|hospede|paciente|pessoa|alguem|ele|ela|sogra|sogro|tia|tio|primo|prima)",
    ),
    (
        "pet",
        "(cachorro|cachorra|cachorrinho|cachorrinha|doguinho|dog|cao|cadela|gato|gata|gatinho|gatinha|filhote|pet|bicho|bichinho|bichano|coelho|passaro|calopsita|animal|pug|poodle|shitzu|pinscher|york|vira lata)",
    ),
    ("my", "(meu|minha|meus|minhas|nosso|nossa|nossos|nossas|do meu|da minha|o meu|a minha)"),
];

/// What shows an act.
pub(crate) const PATTERNS: &[(Act, &[&str])] = &[
    (
        Act::Booking,
        &[
            "(quero|queria|gostaria de|preciso|vou querer|bora|vamos) (marcar|agendar|reservar)",
            "tem (vaga|vagas|quarto|quartos|mesa|disponibilidade|horario livre|horario disponivel)( {2})? (para o|para a|para hoje|para amanha|para|no|na|dia|hoje|amanha|segunda|terca|quarta|quinta|sexta|sabado|domingo|esse fim de semana|nesse|neste) (carnaval|natal|ano novo|reveillon|feriado|fim de semana|hoje|amanha|segunda|terca|quarta|quinta|sexta|sabado|domingo|dia|[0-9]+|familia|casal|semana|mes)",
            "(da|daria|tem como|teria como|pode|poderia|consigo|consegue|conseguem) (para |pra )?(ser|marcar|agendar|encaixar|me encaixar|reservar)( {4})? (segunda|terca|quarta|quinta|sexta|sabado|domingo|amanha|hoje|manha|tarde|noite|[0-9]+h|[0-9]+ horas)",
        ],
    ),
    (
        Act::Harm,
        &[
            // Suicide, also said in a roundabout way.
            "(me matar|matar me|tirar (a )?(minha )?(propria )?vida|suicid|tirar minha propria vida)",
            "(nao (quero|aguento|consigo|tenho vontade de)|cansei de|cansad[oa] de|vontade de parar de)( mais)? (viver|existir|estar viv[oa]|ficar viv[oa])",
            "(quero|queria|prefiro|vou|so penso em|penso em|pensando em|pensei em|vontade de|querendo|melhor eu|melhor) (morrer|sumir do mundo|deixar de existir|nao existir|acabar com a minha vida|acabar com minha vida|me jogar|me enforcar|dar um fim|acabar com tudo|por um fim|dormir e nao acordar)",
            "(acabar|terminar|dar fim|por fim|dar um fim) (com|em|a|na|nessa|nesta) (tudo|minha vida|a minha vida|vida|minha propria vida|esse sofrimento|este sofrimento)",
            "(nao vejo|nao ha|nao tem|perdi|nao encontro|nao acho)( mais)?( o)? (sentido|motivo|razao|vontade)( {2})? (viver|vida|continuar|existir|seguir)",
            "(melhor|ficariam bem|ficar melhor|estariam melhor|seria melhor|mundo){3} (sem mim|se eu (morresse|sumisse|nao existisse|nao estivesse))",
            "nao (vou|quero|pretendo) (estar|acordar|continuar)( mais)? (aqui|amanha|viv[oa])( amanha| mais)?",
            "(desisti|desistindo|desistir|cansei|cansad[oa]) (da|de) (vida|viver|tudo na vida)",
            "(me cortei|me cortando|me corto|cortei os pulsos|cortar os pulsos|me mutil|me machucar|me machucando|me machuco de proposito)",
            "(tomei|tomou|bebi|engoli|engoliu|tomando|ingeriu)( {2})? (todos|todas|tudo|um monte|varios|varias|muitos|muitas|uma cartela|a cartela|duas cartelas|o vidro|um vidro|a caixa|uma caixa|cartelas|[0-9]+)( {3})? (remedio|remedios|comprimido|comprimidos|cartela|cartelas|capsulas|calmante|calmantes|veneno)",
            "(ninguem (ia|vai) sentir (a )?(minha )?falta|ultima (mensagem|vez que (voces|alguem))|me despedi|despedida de todos|carta de despedida)",
            "(kill myself|want to die|suicide|end my life|quiero morir|matarme|hurt myself)",
            // Bleeding, fainting, breath.
            "(sangrando|hemorragia|perdendo( muito)? sangue|muito sangue|sangue (demais|por todo|pra todo|saindo|jorrando)|sangra muito|sangrou muito|nao para de sangrar|sangramento (nao|que nao|forte|intenso)|vomitando sangue|cuspindo sangue|tossindo sangue|bleeding|sangrando)",
            "(desmaiou|desmaiando|desmaiada|desmaiado|desmaiei|vai desmaiar|quase desmai|inconsciente|desacordad[oa]|convulsao|convulsion|convulsionando|ataque epile|crise epile|caiu dur[oa]|apagou|fainted|passed out|unconscious)",
            "(nao (esta |estao |ta )?(acorda|acordando|responde|respondendo|reage|reagindo|respira|respirando|se mexe|mexendo))( mais| direito)? ",
            "{kin}{4} nao (acorda|responde|reage|respira|levanta|se mexe|consegue (respirar|falar|andar|mexer))",
            "(passou mal|passando( muito| bem| super)? mal|passei mal|passar mal|sentindo( muito)? mal|se sentiu mal|estou mal demais|mal estar forte|suando frio|pressao (caiu|subiu muito|ta [0-9]+|esta [0-9]+))",
            "(infart|ataque cardiaco|parada cardiaca|avc|derrame|boca torta|boca entort|rosto torto|lado do corpo|enrolando a (lingua|fala)|fala enrolada|heart attack|stroke)",
            "(dor(es)?|aperto|pontada)( {2})? (no|do) peito|peito (doendo|apertado|esta doendo)",
            "(falta de ar|sem ar|nao (consigo|consegue|conseguindo|estou conseguindo|esta conseguindo|to conseguindo) respirar|dificuldade (para|de|em) respirar|respirando (mal|com dificuldade|estranho)|respiracao (ofegante|ruim)|parou de respirar|sufocand|sufocou|asfixi|engasg|roxinh[oa]|ficando rox[oa]|ficou rox[oa]|labios? rox|can.?t breathe|choking)",
            // Poison, allergy, fire, shock.
            "(engoliu|ingeriu|bebeu|tomou|comeu|lambeu|mordeu|colocou na boca|engoli|bebi|tomei|comi|inalou|inalei)( {4})? (veneno|detergente|agua sanitaria|desinfetante|produto|produtos|pilha|pilhas|bateria|baterias|moeda|moedas|chumbinho|raticida|soda|alvejante|cloro|vidro|prego|agulha|alfinete|remedio errado|brinco|ima|imas|amaciante|sabao|acetona|alcool gel|tinta|peca|pecinha|brinquedo|bijuteria|parafuso|querosene|gasolina|naftalina)",
            "(envenen|overdose|intoxic(ad|ou|acao)|superdosagem|dose a mais|dose errada|remedio errado|medicacao errada)",
            "(garganta|lingua|labio|labios|boca|rosto|olho|olhos|cara|glote|pescoco|face)( {3})? (inchand|inchou|inchad|incharam|fechando|fechou|fechad|coçando muito|travou|travand)",
            "(inchando|inchou|inchad[oa]s?|incharam|fechando)( {4})? (garganta|lingua|rosto|boca|olho|olhos|labio|labios|cara|pescoco|glote)",
            "(reacao alergica|crise alergica|alergia (forte|grave|severa|atacou|agora)|choque anafil|anafila|empolad[oa]|empolou|empolando|urticaria|cheia? de (bolha|bolhas|placas|bolotas|caroco)|corpo (todo|inteiro)( {2})? (vermelho|coçando|cocando|empolad|pipocad))",
            "(pegando fogo|pegou fogo|esta em chamas|incendio (aqui|no|na|agora|comecou)|tem um incendio|fogo (aqui|no|na|saindo)|saindo (fumaca|fogo)|muita fumaca|soltando fumaca|fumaca (no|na|saindo|preta)|on fire)",
            "(cheiro|cheirando|vazamento|vazando|escape|fedendo)( {2})?( (forte|muito))?( (de|a|o))? (gas|queimado|fumaca)|gas (vazando|escapando|vazou)|explodiu|explosao|vai explodir|explodindo|gas leak",
            "(levou|levei|tomou|tomei|dando|deu|leva|tomar|levar)( um| muito)? choque|choque eletrico|eletrocut|curto circuito|faisca|fio (desencapado|solto|caido)|fiacao (exposta|queimando)",
            // Accidents and wounds.
            "(sofri|sofreu|sofremos|tive|teve|tivemos|houve|aconteceu|acabou de (ter|acontecer)|acabei de (ter|sofrer)|deu)( {2})? (um |uma )?(acidente|batida feia|capotamento|capotou)|acidente (grave|feio|aqui|na frente|agora)|capotou|capotei|atropelad|atropelaram|atropelou|foi atropel|me atropel|run over|car crash",
            "(bati|bateram|bateu|batemos)( {2})? (o |no |na |meu |com o |com meu )*(carro|moto|poste|muro|caminhao|cabeca)",
            "{kin}{4} (caiu|cai|despencou|rolou|escorregou|tropecou)",
            "(cai|caiu|escorreguei|escorregou|tropecei|despenquei) ?(d[aoe]|n[ao]|de uma|de um|em cima|e)( {3})? (escada|cadeira|cavalo|moto|telhado|altura|maca|brinquedo|andar|laje|esteira|piscina|rampa|piso|chao|banheiro|box|cama|bicicleta|calcada|vestiario)",
            "(quebr(ou|ei|aram)|fratur(ou|ei|a|ado)|desloc(ou|ei)|torc(eu|i)|lux(ou|ei))( {2})? (o |a |meu |minha |um |uma )*(braco|perna|pe|mao|dedo|osso|nariz|costela|tornozelo|joelho|ombro|clavicula|bacia|femur|punho|pescoco|coluna)",
            "(cort(ou|ei|aram)|furou|furei|perfurou|abriu|rasgou)( {2})? (o |a |meu |minha |um |uma )*(dedo|mao|pe|braco|perna|cabeca|testa|orelha|barriga|supercilio|queixo|boca|pulso|rosto|pescoco)",
            "(dedo|mao|braco|perna|cabelo|orelha|bico|pe)( {2})? (pres[oa]|presa|preso|prendeu|esmagad|esmagou|amput|arrancou|decep)",
            "(se queimou|me queimei|queimei (a|o|minha|meu|todo|toda)|queimou (a|o) (mao|braco|rosto|pele|couro|cabeca|perna|pe|crianca|olho|pescoco|testa|lingua)|queimadura|queimad[oa] (na|no|de) (pele|mao|rosto|agua|oleo)|(couro cabeludo|pele|rosto|testa|olho|nuca|cabeca|mao|perna)( {3})? (queimand|ardend|queimou|em carne viva|ardeu)|em carne viva|caiu (agua quente|oleo|acido|produto)( {2})? (em|no|na))",
            "(caiu|caindo|desabou|desabando|tombou|virou|despencou)( {3})? (em cima|por cima|sobre|na cabeca|no pe)( d[aoe]| de)? ",
            "(cego|enxergando nada|perdi a visao|nao estou enxergando|nao enxergo|visao (sumiu|escureceu))",
            "(machuc(ou|ei|aram)|machucad[oa] (grave|feio|na|no|e)|ferid[oa] (grave|feio|na|no|e|com)|se feriu|se machuc|me machuquei|traumatismo|afog(ando|ou|ada|ado|amento)|se afog|picad[oa] (de|por) (cobra|escorpiao|aranha|abelha)|picou|mordid[oa] (de|por)|mordeu (a|o|meu|minha|ela|ele|uma)|cobra (aqui|no|na)|escorpiao (aqui|no|na))",
            "(bolsa (estourou|rompeu)|contrac(ao|oes)|trabalho de parto|vai nascer|esta nascendo|parto (aqui|agora)|aborto|perdendo o bebe|sangramento (na|e estou) gravid|gravida (e|sangr))",
            "(tumor|febre (muito )?alta|febre de (39|40|41|4[0-9])|(39|40|41) (graus|de febre)|desidrat|nao para de (vomitar|sangrar|chorar|convulsionar|tremer)|vomit(ando|ou) (muito|sem parar|sangue|varias)|dor insuportavel|dor (muito )?forte demais|nao aguento( mais)? (de|a|essa|tanta) dor|gritando de dor|chorando de dor|morrendo de dor)",
            "(hipoglicemi|glicose (caiu|baixa|esta|em)|diabetic[oa]{3} (passou|passando|tremendo|desmai)|crise de (asma|panico|ansiedade|convuls|bronquite|falta)|surto|surtando|em surto|crise agora)",
            // Violence and abuse.
            "(me|nos|nele|nela|ela|ele|minha|meu|o|a|uma|um) (bateu|batendo|bate|espanc|agredi|agrid|esfaque|chut|soc|empurr|enforc|estrangul|segur(ou|aram) a forca)",
            "(bateu|batendo|batem|bate) (em|na|no|nela|nele|nos|n) ?(mim|minha|meu|mulher|crianca|filh|esposa|gente|idos|cachorro|pessoa|alguem|voce|mae|irma)",
            "(apanhei|apanhou|apanhando|apanha do|apanho do|agredid[oa]|agressao|agressor|agressiv[oa] (comigo|com)|violencia|violent[oa]|espancad|espancand|esfaque|facada|tiro|tiros|baleado|baleada|tiroteio|briga (aqui|no|na|feia)|brigando (aqui|no|na)|quebrando tudo)",
            "(abus(ou|aram|ada|ado|ando|ivo) |abuso|assedi|passou a mao|passando a mao|passaram a mao|me (tocou|tocando|apalpou|apalpando|alisou|alisando|agarrou|agarrando|beijou)|encost(ou|ando) em mim|estupr|importunacao|molest|tocou (em mim|na minha|nas minhas|no meu)|tentou (me )?(beijar|agarrar|tocar)|tirou (minha )?foto|filmando (a gente|as|meninas|no)|me filmou|camera (escondida|no banheiro)|constrang(eu|ida|ido|endo|imento)|cantadas? (pra|para) (mim|cima)|nud(e|es)|pelad[oa]|comentarios? (nojent|sexua|obscen|sobre (meu|o meu) corpo)|harass|molested|rape)",
            "(ameac(ou|ando|ad[oa]|aram|ei|a|as)|me matar|te matar|vou matar|mata (voces|voce|ele|ela|todo)|matar (voces|voce|ele|ela|todo|todos|alguem|minha|meu)|vai me (matar|bater|achar|pegar)|vou ai (com|quebrar|resolver do meu|te)|vou (quebrar|meter|dar um tiro|tacar fogo|botar fogo|por fogo|explodir)|acabar com (voce|voces|ele|ela|a raca)|vai ter morte|quebrar a cara|meter a porrada|meter bala|com (uma |um )?(faca|arma|revolver|facao|pistola|pedaco de pau)|armad[oa]|apontou|bomba (ai|no|na|dentro|em)|gun|knife|threat)",
            "(assalt(o|ando|ad[oa]|aram|ou|antes?)|sendo roub|me roubando|sequestr|refem|invadi(u|ram|ndo)|arrombando|arrombaram|arrombando|(me )?(perseguindo|seguindo|me seguindo|seguiu|me segue|stalk)|me (trancou|trancaram|prendeu|mantem)|tranc(ou|aram) (ela|ele|a gente|no|na|a crianca|a porta)|carcere|tarado|pedofil|nao (me )?deixa(m)? (eu )?(sair|ir embora)|medo (dele|do meu (marido|namorado|ex|pai|padrasto|companheiro))|meu (ex|marido|namorado|companheiro|padrasto)( {4})? (bat|agred|ameac|mat|persegu|forc|tranc|segu|viol|empurr|arma|armad|porta|aqui fora|descobr)|maria da penha|medida protetiva)",
            "(ouvi|ouvindo|escut(ei|ando|o)|gritos|gritando (socorro|por ajuda|muito)|pedindo (socorro|ajuda))( {4})? (socorro|ajuda|mulher|crianca|quarto|grito|gritos|apanhando|briga|tiro|vizinh)",
            // Children, old people and animals.
            "{kin}{6} (sumiu|sumiram|desaparec|esta perdid|se perdeu|perdid[oa]|fugiu|nao (esta|estao|ta) (ai|aqui|na|no|em|mais)|nao (chegou|voltou|apareceu|aparece) (em casa|ainda|ate|da)|esta sozinh[oa]|sozinh[oa] (na rua|no|na|trancad|em|do lado|ai|dentro|fora)|ficou sozinh|tranca|trancad|pres[oa] (no|na|dentro|em)|sem ninguem|abandonad|esquecid)",
            "(esquece(ram|u)|deixa(ram|u)|abandon(aram|ou)|perd(eram|eu|i))( {3})? (crianca|{my} {kin}|{kin} (sozinh|na rua|no|na|dentro|trancad))",
            "(ja (saiu|foi embora|levaram|buscaram)|levaram|pegaram|entregaram|foi embora|saiu)( {4})? (com|por) (outra|outro|uma|um|alguem|quem|desconhecid|estranh|o pai dela|homem|mulher)",
            "{pet}{6} (atropel|envenen|convuls|nao (respira|levanta|acorda|reage|consegue|mexe)|morrendo|sangr|engol|comeu (veneno|chumbinho|chocolate|uva|rato|osso|remedio|pano|meia|raticida)|vomit(ando|ou) (sangue|muito|sem|direto)|tremendo|agoniz|entalad|engasg|mordid|mordeu|apanh|caiu|desmai|espumand|babando muito|inchad|nao (faz|esta fazendo) xixi|fugiu|parindo|parto|esta (muito )?mal|muito mal|machuc|ferid|quebr|paralis|arrastand|picad|queimad|roxo|mole)",
            "(atropelaram|envenenaram|mataram|bateram)( {2})? (o |a |meu |minha |um |uma )*{pet}",
            // Cries for help.
            "(acho que|parece que|esta|ela|ele|estou|to) (vou |vai |ela |ele |esta |estou )*(morrendo|morrer)( {1})? $",
            "(ele|ela|{kin}|{pet}){3} (morreu|faleceu)( {2})?(aqui|agora|ai|na|no)",
            "(e|eh|uma|caso de|situacao de) emergencia( {3})? $| emergencia (aqui|agora|por favor|me ajud|grave|urgente)|(me ajuda|me ajudem|ajuda|ajudem) (urgente|pelo amor|por favor (urgente|agora|rapido)|rapido|agora)|socorro( {2})? (me ajud|alguem|urgente|rapido|por favor|gente|ajud|pelo amor)|pelo amor de deus( {3})? (ajud|socorro|urgente|rapido|alguem)|it.?s an emergency|help me (please|now)",
            "(cham(a|e|em|ar|ei|aram|o)|liga(r)? (para|pra)?|mand(a|em|ar))( {2})? (ambulancia|samu|policia|bombeiro|bombeiros|medico|socorro|resgate|188|190|192|193)",
        ],
    ),
    (
        Act::Stop,
        &[
            "^ (sair|parar|pare|para|stop|saia|chega|remover|remova|descadastrar|descadastre|descadastra|unsubscribe|optout|quit|end|baja|cancelar inscricao|cancelar (recebimento|mensagens|envio)|nao quero mais|nao mais|nao receber|para com isso|pare com isso|parem|me tira|me tire|me remove|me remova|quero sair|sair (da|dessa|desta) lista|sair lista|exit)( (por favor|ja|agora|aqui|obrigad[oa]|com isso|mesmo))? $",
            "(descadastr|desinscrev|desinscri|unsubscribe|opt ?out|nao (me )?perturb|nao perturbe|remov(er|am|a|e) (o )?(meu )?(numero|contato|cadastro|telefone|nome))",
            "(para|pare|parem|parar|chega|cansei|cansad[oa]|nao aguento|enjoei|basta|de saco cheio|farto|farta|cheg)( {4})? (de )?(mandar|mandando|enviar|enviando|receber|recebendo|encher|mensage[mn]s?|propagandas?|promoc(ao|oes)|spam|ofertas?|anuncios?|mensaginhas?|publicidade|disparos?|insistir|perturbar|incomodar|chamar|escrever|avisos|lembretes?|notificac(ao|oes)|me ligar|ligar|texting|messag)",
            "nao (me )?(quero|queria|desejo|gostaria|autorizo|pretendo|tenho interesse em|aceito|preciso|aguento)( {4})? (mais )?(receber|mensage[mn]s?|propagandas?|promoc(ao|oes)|ofertas?|novidades?|spam|anuncios?|avisos?|lembretes?|notificac(ao|oes)|publicidade|contatos?|ser contat|ser incomod|que me (mandem|chamem|liguem|contatem|escrevam)|que (voces )?(mandem|me mandem|enviem|entrem em contato)|envio|newsletter|nada (de voces|daqui|disso|de marketing|de propaganda))",
            "nao (me )?(mand(a|e|em|ar|ando)|envi(a|e|em|ar)|cham(a|e|em)|escrev(a|e|am)|procur(a|e|em)|lig(a|ue|uem)|incomod(a|e|em)|perturb(a|e|em)|encaminh(a|e|em)|ench(a|e|am))( {2})? ?(mais|nunca mais|nada|mensage|propaganda|promoc|oferta|msg|spam|cardapio|de novo|outra|o saco)",
            "(tira|tire|tirem|tirar|remove|remova|removam|remover|retira|retire|retirem|retirar|exclui|exclua|excluam|excluir|apaga|apague|apaguem|apagar|deleta|delete|deletem|deletar|risca|bloqueia|take)( {4})? (lista|listas|contatos?|numero|telefone|cadastro|transmissao|grupo|base|mailing|sistema de (envio|mensagens)|zap|whatsapp|off|disparos?|agenda de (voces|contatos)|daqui|dessa lista|dai|dados)",
            "(sair|saio|saia|cancel(a|ar|em|e)|remov(er|a)|encerr(ar|a|em)|desativ(ar|a|em|e)|suspend(er|a|am)|interromp(er|a|am)|bloque(ar|ia|iem|ie)|deslig(ar|uem))( {3})? (lista|inscricao|transmissao|newsletter|promoc(ao|oes)|propagandas?|mensagens|envio|envios|recebimento|notificac(ao|oes)|avisos|disparos?|ofertas|lembretes? automatic|marketing)",
            "(deixa|deixe|deixem|deixar)( me| a gente| eu)? (em )?paz|me (deixa|deixe|deixem) em paz|me (esquece|esquecam|esqueca)|larga(m|r)? do meu pe|sai(am)? do meu pe|vaza do meu|(para|pare|parem) de (me )?(perturb|incomod|ench|importun|aporrinh|amol|ator)|(leave me alone|stop (texting|messag|sending|writing|contact)|no more (messages|texts)|deja de (escribir|mandar)|no me escriban)",
            "(vou|irei|to|estou|ja|estarei|vou ter que) (te |voces |vcs |ter que )?(bloquear|bloqueando|bloqueei|denunciar (como|por) spam|denunciando|reportar)",
            "(bloque(io|ar|ando|ado|ei)|denunci(o|ar|ando))( {4})? (se|spam|mandar|mandarem|continuar|numero|contato|voces|mensagem|chamar)",
            "(nunca|jamais)( {3})? (autorizei|pedi|dei autorizacao|dei permissao|solicitei|me inscrevi|passei meu numero)|quem (deu|autorizou|passou)( {2})? (meu|o meu) (numero|contato|telefone|whatsapp)|(onde|como)( {2})? (conseguiram|pegaram|arrumaram|acharam)( {2})? meu (numero|contato|telefone|whatsapp)|lgpd{6} (remov|exclu|apag|retir|dados)|(exclu|apag|remov|elimin)\\w*( {3})? (meus dados|minhas informacoes|meu cadastro)",
            "(nao (tenho|to com|estou com|possuo)( mais)? interesse)( {3})?(par|pare|nao (me )?mand|tir|remov|em receber)|(ja (nao )?sou|nao sou)( mais)? cliente( {4})? (par|nao|tir|remov)",
            "(mensagens|mensagem|propaganda|promocao|promocoes|spam|ofertas)( {3})? (todo (santo )?dia|toda hora|o tempo todo|demais|nao para|chega|chegando sem parar|que saco|enche)",
        ],
    ),
];

/// What takes an act back: words that look like it and mean something else.
pub(crate) const NOT: &[(Act, &[&str])] = &[
    (
        Act::Harm,
        &[
            "(morr(er|i|o|endo|ia|eu|eria|e)|morta|morto|mort[oa]s) de (rir|fome|vergonha|saudade|saudades|sono|calor|frio|amor|amores|vontade|curiosidade|inveja|preguica|cansac|sede|medo|rs|felicidade|ansiedade|tedio|tanto rir|orgulho)",
            "(extintor|seguro|alarme|saida|porta|escada|detector|brigada|curso|treinamento|kit|plano|contrato|cobertura|cobre|apolice|taxa|consulta|plantao|atendimento|atendem|atende|servico|pronto atendimento|numero|telefone|luz|iluminacao|farol|freio|botao|sirene)( {3})? (de |contra |para |do |da )?(incendio|emergencia|emergencias|acidente|acidentes|primeiros socorros|socorro|bombeiro|bombeiros|urgencia)",
            "(matar (a )?(fome|sede|saudade|saudades|aula|o tempo|tempo|a curiosidade|barata|baratas|inseto|insetos|rato|ratos|cupim|mosquito|formiga|formigas|bicho|piolho|pulga|pulgas))",
            "(quanto (custa|e|fica|sai)|qual (o )?(preco|valor)|preco d|valor d|tem|vende|vendem|fazem|faz|oferecem|trabalham com|existe|aceitam|incluem|inclui)( {5})? (curso|aula|treinamento|exame|teste|remedio|spray|aplicativo|alarme|seguro|plano|consulta)( {5})?",
            "preco (que )?mata|matador|matou a pau|arrasou|(quando|como|posso|se|depois|hora que|que dia) (eu )?tiro |bomba de chocolate|carolina|tiro (de )?(foto|ao alvo|certo)|fogo (baixo|alto|de chao|no rabo|brando)|a prova de (fogo|bala)|pistola de|fogao|lareira|churrasqueira a",
        ],
    ),
    (
        Act::Stop,
        &[
            "(parar|para|pare|sair|sai|saio|saida)( {3})? (de funcionar|o carro|meu carro|carro|moto|na porta|ai na frente|de crescer|de doer|de cair|de fumar|de vazar|de abrir|de atender|de servir|de entregar|de vender|a obra|a queda|antes|mais cedo|do trabalho|do hospital|de casa|as [0-9]|que horas|quanto)",
            "(que horas|quando|ate que horas)( {3})? (para|param|parar|pare|chega)( {2})? ",
        ],
    ),
];
