//! Words of everyday Portuguese that matching treats in their own way. All are folded: lower case,
//! no accents.

/// Words without a topic of their own.
pub(crate) const STOP: &str = "a o as os um uma uns umas de do da dos das d em no na nos nas num numa nuns numas por \
    pelo pela pelos pelas per para pra pro pras pros com sem sob sobre ate entre desde ante \
    apos e ou mas nem que se como quando onde porque pois entao assim tambem ja ainda so \
    mais menos muito muita muitos muitas qual quais quem quanto quanta quantos quantas cujo \
    cuja cujos cujas ao aos aonde eu tu ele ela eles elas vos voce voces vc vcs me te lhe \
    lhes mim si seu sua seus suas meu minha meus minhas teu tua nosso nossa nossos nossas \
    este esta estes estas esse essa esses essas isto isso aquele aquela aqueles aquelas \
    aquilo neste nesta nestes nestas nesse nessa nesses nessas deste desta destes destas \
    desse dessa desses dessas dele dela deles delas nele nela neles nelas disso disto \
    daquele daquela naquele naquela ser e sao era eram foi foram fui seja sejam sera serao \
    seria sendo sido estao estava estavam estar esteja estou ter tem tenho temos tinha \
    tinham tera teve tendo ha haver havia houve nao sim la ai aqui ali mesmo mesma mesmos \
    mesmas outro outra outros outras cada todo toda todos todas algum alguma alguns algumas \
    qualquer quaisquer posso podemos consigo vou vai vamos sabe opa tudo bem ola oi bom boa \
    dia tarde noite favor obrigado obrigada gostaria queria quero saber pode poderia podem \
    tal tais via hoje agora amanha";

/// Words of any wish to buy or to book, with its time, place and payment: they name no thing.
pub(crate) const WISHES: &str = "quero queria gostaria preciso marcar agendar reservar pedir comprar encomendar levar fazer vou \
    manda mandar separa entregar entrega entregam pedido reserva horario hora horas vaga encaixe agenda hoje amanha segunda terca \
    quarta quinta sexta sabado domingo semana manha tarde noite dia mes pessoas pessoa para rua avenida numero bairro \
    casa apartamento bloco pix cartao dinheiro troco pago pagar retirar retiro buscar favor ver tem consegue depois antes \
    cedo agora vem seguinte passado passada mim minha meu nome aniversario mae pai filho filha esposa marido amiga amigo uns umas cada grande media \
    pequena pequeno medio sem com mais menos so tudo isso esse essa aquele aquela janeiro fevereiro marco abril maio \
    junho julho agosto setembro outubro novembro dezembro proxima proximo fim primeira primeiro vez duas dois tres \
    quatro cinco seis sete oito nove dez obrigado obrigada oi ola bom boa consulta consultas atendimento visita \
    avaliacao retorno sessao mesa agendamento remarcar atendido atender atende sobre";

/// Words of a wish that may name what is offered.
pub(crate) const BOOKED: &str =
    "consulta consultas avaliacao retorno sessao mesa visita atendimento encaixe";

/// How a request is put; they say nothing of what is asked.
pub(crate) const REQUESTS: &str = "passa passar passe manda mandar mande informa informar informe diz diga dizer \
    consegue conseguem conseguir dar dao daria quer querem queremos preciso precisa precisam precisava levar trazer gente galera moca moco \
    pessoal aqui ai entao saindo custando ficando cobrando mano mana certinho direitinho exatamente";

/// Words that say little, but not nothing: they weigh less.
pub(crate) const LIGHT: &str = "significa significado chama chamado existe existem fica ficam serve servem tipo tipos \
    forma formas nome ano data fazer faz fazem feito feita feitos feitas deve devem dever \
    precisa possui possuem ocorre ocorrem ocorrer ocorreu acontece acontecer exemplo \
    exemplos principal principais consiste define definido definicao funcao objetivo \
    finalidade utilidade quantidade numero total motivo razao maneira modo partir acordo \
    segundo relacao caso coisa usado usada utilizado utilizada realizado realizada \
    considerado considerada necessario permite permitido dado vez surgiu surge criou \
    geralmente normalmente atualmente aproximadamente basicamente apenas momento importante \
    importancia diferenca caracteristica caracteristicas papel responsavel conhecido \
    conhecida denominado denominada composto composta dividido dividida desejar deseja \
    conseguir consegue querer alem durante depois antes quantia pessoa pessoas maioria \
    aceita aceitam aceitar inicio resultado propria proprio cabe refere trata tratar verdade \
    melhor maior menor primeira primeiro lugar local levar trazer pegar pedir";

/// What a business calls itself or its offer: nearly no weight, the question is not about them.
pub(crate) const VENUE: &str = "loja empresa clinica oficina pizzaria restaurante lanchonete consultorio salao barbearia \
    estabelecimento escritorio academia farmacia padaria hotel pousada escola site lugar \
    local opcao opcoes alguma informacao informacoes duvida usar uso";

/// Days that usually ask about opening hours.
pub(crate) const WEAK_HOURS: &str = "sabado sabados domingo domingos feriado feriados semana";

/// Words that are numbers.
pub(crate) const NUMBERS: &str = "dois duas tres quatro cinco seis sete oito nove dez onze doze treze quatorze quinze \
    dezesseis dezessete dezoito dezenove vinte trinta quarenta cinquenta sessenta setenta \
    oitenta noventa cem cento duzentos duzentas trezentos trezentas quatrocentos quinhentos \
    mil milhao milhoes bilhoes unico unica metade primeiro segunda terceiro um uma nenhum \
    dobro";

/// Words that end in a full stop without ending a sentence.
pub(crate) const ABBREVIATIONS: &str = "art arts dr dra sr sra srs prof profa exmo ilmo av r n no nr num tel cel etc ex p pag pg \
    cap inc al ltda cia jr min max obs ref dept depto ed vol fig tab seg aprox";

/// What customers ask every business, in many words: the tag, its words, and what in a text shows
/// that it answers such a question (on folded text).
pub(crate) const INTENTS: &[(&str, &str, &str)] = &[
    (
        "#hours",
        "horario horarios hora horas abre abrem abrir aberto abertos aberta abertura fecha fecham \
         fechar fechado funciona funcionam funcionar funcionamento atendimento atendem atende \
         expediente",
        r"\b[0-9]{1,2} ?(h\b|h[0-9]{2}|:[0-9]{2})|\bdas [0-9]{1,2} as [0-9]{1,2}\b",
    ),
    (
        "#price",
        "preco precos valor valores custa custam custo custar tabela cobra cobram graca gratis \
         gratuito gratuita",
        r"r\$ ?[0-9]|[0-9](?: mil)? reais\b|\bgratis\b|\bgratuit[oa]",
    ),
    (
        "#place",
        "endereco localizacao localizado localizada localiza fica ficam rua avenida local onde",
        r"\b(rua|avenida|av\.|rodovia|alameda|travessa)",
    ),
    (
        "#pay",
        "pagar paga pago pagamento pagamentos parcela parcelam parcelar parcelado parcelamento vezes",
        r"\b(pix|boletos?|a vista|em dinheiro|cart(ao|oes) de (credito|debito)|sem juros|aceitamos)\b",
    ),
    // Pix, credit and debit stand for themselves: whoever takes one need not take the other.
    ("#card", "cartao cartoes", r"\b(cart(ao|oes)|credito|debito)\b"),
    (
        "#phone",
        "telefone fone celular contato whatsapp zap ligar numero falar",
        r"\([0-9]{2}\) ?9?[0-9]{4}[- .]?[0-9]{4}\b|\b9[0-9]{4}[- .]?[0-9]{4}\b|\b[3-8][0-9]{3}-[0-9]{4}\b",
    ),
    (
        "#deliver",
        "entrega entregas entregam entregar frete delivery envio enviam enviar envia",
        r"\b(entregamos|frete|delivery|taxa de entrega)\b",
    ),
    (
        "#book",
        "marcar marco agendar agendo agendamento marcacao agenda reservar reserva",
        r"\b(agend|reserv)",
    ),
    (
        "#swap",
        "troca trocas trocar trocam devolucao devolver devolvo",
        r"\b(trocar|devolver|devolucao)\b",
    ),
    (
        "#off",
        "desconto descontos promocao promocoes cupom oferta ofertas",
        r"\b(desconto|promocao|cupom)",
    ),
    ("#cancel", "cancelar cancelamento desmarcar cancelo remarcar", r"\b(cancel|desmarc|remarc)"),
    (
        "#span",
        "prazo demora demoram demorar tempo chega chegar dura duram durar duracao",
        r"\b([0-9]+|um|uma|dois|duas|tres|quatro|meia) (dias?|minutos?|horas?|semanas?|mes|meses|uteis)\b|\b[0-9]+ ?(h|hs|min|mins)\b",
    ),
];

/// Words of everyday questions that the lists above do not hold.
pub(crate) const EVERYDAY: &str = "aceitamos fazemos quanto quantos qual quais voce voces tem temos vende vendem vendemos conserta consertam \
    produto produtos servico servicos servico orcamento orcamentos crianca criancas estacionamento credito debito agendar \
    exame exames plano planos consulta consultas avaliacao garantia almoco jantar cardapio aniversario aluguel alugar matricula \
    mensalidade tamanho tamanhos modelo modelos cor cores estoque disponivel retirada encomenda encomendas curso cursos aula \
    aulas turma turmas quarto quartos diaria hospedagem convenio convenios tratamento procedimento sessao sessoes cirurgia";

/// Words of them in which a sound is told by an accent.
pub(crate) const ACCENTED: &str = "endereço endereços preço preços serviço serviços orçamento orçamentos criança crianças almoço começa começam \
    começar peça peças poço praça cabeça braço força licença diferença segurança cobrança poupança mudança balança traço laço \
    lançamento lança avança cançelamento licenças doença doenças";

/// Words that mean another thing's name, too: what is said, and by which other words the knowledge may say it.
pub(crate) const SYNONYMS: &[(&str, &str)] = &[
    (
        "estacionar parar garagem vaga vagas manobrista",
        "estacionamento garagem vaga vagas manobrista valet",
    ),
    ("estacionamento", "garagem vaga vagas manobrista valet estacionar"),
    (
        "cachorro cachorros cachorrinho cachorrinha dog dogs cadela",
        "cao caes cachorro canino canina animal animais",
    ),
    ("cao caes", "cachorro cachorros animal animais"),
    ("gato gatos gatinho gata", "felino felinos felina animal animais"),
    ("pet pets bicho bichinho", "animal animais cachorro cao caes gato gatos"),
    ("animal animais", "pet pets cachorro cao caes gato gatos"),
    // Verbs and nouns of one thing whose stems part.
    ("abrir abro abrem", "abertura"),
    ("abertura", "abrir"),
    ("fechar encerrar", "fechamento baixa encerramento"),
    ("emitir emitem emite", "emissao"),
    ("devolver devolvem devolve", "devolucao reembolso"),
    ("remover removem remove", "remocao"),
    ("transportar transportam", "transporte"),
    ("transporte", "van transportar transportadores"),
    ("medir medem", "medida medidas medicao"),
    ("vender vendem", "venda vendas"),
    ("vencer vence venceu vencido", "vencimento validade vale valido"),
    ("perder perdi perco", "perda"),
    ("demorar demora", "prazo duracao"),
    ("entrar entrada", "check checkin entrada"),
    ("sair saida", "check checkout saida"),
    ("testar teste experimentar provar", "experimental teste gratis"),
    ("internet", "wifi fi"),
    ("wifi", "internet fi"),
    (
        "crianca criancas filho filha filhos kids menino menina",
        "infantil infantis crianca criancas kids menores",
    ),
    ("infantil", "crianca criancas kids"),
    ("bebe bebes nenem", "infantil crianca bercario bebe"),
    ("idoso idosos idosa", "melhor terceira senior"),
    ("reembolso reembolsam estorno", "reembolso reembolsamos devolvemos estorno devolucao"),
    ("transfer translado traslado", "van transporte translado traslado transfer"),
    ("convenio convenios", "plano planos convenio"),
    ("plano planos", "convenio convenios mensalidade"),
    ("mensalidade", "plano planos mensal"),
    ("cafe", "desjejum"),
    ("lanche lanches", "sanduiche sanduiches hamburguer burger"),
    ("breja brejas cerva cervas cervejinha", "cerveja"),
    ("refri refrigerante", "coca guarana refrigerante"),
    ("coca cola fanta sprite pepsi soda", "refrigerante refri refrigerantes"),
    ("cerveja", "chope chopp cervejas"),
    ("chope chopp", "cerveja"),
    ("bebida bebidas", "suco refrigerante cerveja agua drink drinks"),
    ("sobremesa doce doces", "sobremesa sobremesas doces"),
    ("carne", "boi bovina picanha"),
    ("vegano vegana veganos", "vegano vegana vegetariano vegetariana"),
    ("vegetariano vegetariana", "vegano vegana vegetariano"),
    ("remedio remedios", "medicamento medicamentos medicacao"),
    ("medicamento medicamentos", "remedio remedios"),
    ("medico medica doutor doutora dr dra", "medico medica doutor doutora dr dra especialista"),
    ("dentista", "dr dra odontologo ortodontista cirurgiao"),
    ("exame exames", "exame coleta laboratorio"),
    ("aparelho", "ortodontia ortodontico"),
    ("limpeza", "profilaxia higienizacao"),
    ("unha unhas", "manicure pedicure esmaltacao"),
    ("pe pes", "pedicure podologia"),
    ("cabelo", "corte capilar"),
    ("barba", "barbear"),
    ("pintar tingir tintura", "coloracao tintura pintura"),
    ("luzes mechas", "mechas luzes balayage"),
    ("alisar alisamento", "progressiva alisamento escova selagem"),
    ("depilar depilacao", "depilacao cera laser"),
    ("sobrancelha sobrancelhas", "design sobrancelha henna"),
    ("massagem", "massoterapia relaxante drenagem"),
    ("carro veiculo auto", "veiculo carro automovel automotivo"),
    ("moto", "motocicleta moto motos"),
    ("bike bicicleta", "bike bicicleta bicicletas"),
    ("rebocar reboque rebocam", "guincho reboque"),
    ("guincho", "reboque remocao"),
    ("pneu pneus", "pneu borracharia"),
    (
        "conserto consertar conserta consertam arrumar arruma arrumam",
        "reparo conserto manutencao assistencia troca",
    ),
    ("trocar troca", "substituicao troca"),
    ("levar leva", "entrega"),
    ("frete", "entrega envio taxa"),
    ("motoboy delivery", "entrega entregamos delivery"),
    ("entregador", "entrega"),
    ("retirar retirada buscar", "retirada balcao retirar"),
    ("boleto", "boleto boletos"),
    ("nota nf", "nota fiscal"),
    ("aluguel alugar alugam aluga", "locacao aluguel alugamos"),
    ("locacao", "aluguel"),
    ("apartamento apto", "apartamento suite quarto"),
    ("quarto quartos", "suite suites apartamento acomodacao chale"),
    ("hospedar hospedagem hospedam", "hospedagem hotel hotelzinho diaria pernoite"),
    ("diaria pernoite", "diaria pernoite hospedagem"),
    ("piscina", "piscina piscinas aquecida"),
    ("academia musculacao", "academia musculacao fitness"),
    ("aula aulas", "turma turmas aula curso"),
    ("curso cursos", "aula turma curso"),
    ("inscricao inscrever matricular", "matricula inscricao rematricula"),
    ("matricula", "inscricao rematricula matricula"),
    ("professor professora", "instrutor instrutora professor professora profissional"),
    ("uniforme", "farda fardamento"),
    ("mae pai responsavel", "responsavel responsaveis"),
    ("documento documentos", "rg cpf comprovante certidao documentos"),
    ("emprego trabalhar vaga curriculo", "curriculo vaga vagas contratando"),
    ("festa festas aniversario", "festa evento eventos aniversario"),
    ("evento eventos", "festa festas evento"),
    ("bolo bolos torta tortas", "bolo torta"),
    ("salgado salgados salgadinho", "salgado salgados coxinha"),
    ("oculos lente lentes", "lente lentes armacao oculos"),
    ("celular telefone iphone", "smartphone aparelho celular"),
    ("notebook computador pc", "notebook computador laptop"),
    ("mercadoria produto", "produto item itens"),
    ("desmarcar remarcar", "cancelamento remarcar desmarcar reagendar antecedencia"),
    ("atraso atrasar atrasado", "atraso tolerancia"),
    ("multa", "taxa cobranca multa"),
    ("sinal entrada adiantado", "sinal entrada caucao antecipado"),
    ("fiado", "fiado prazo"),
];

/// Another word for one that the knowledge has.
pub(crate) fn other_word(word: &str, known: impl Fn(&str) -> bool) -> Option<&'static str> {
    let own = crate::split::stem(word);
    let start = |word: &str| word.chars().take(4).collect::<String>();
    let others: Vec<&str> = SYNONYMS
        .iter()
        .filter(|(said, _)| said.split_whitespace().any(|one| crate::split::stem(one) == own))
        .flat_map(|(_, meant)| meant.split_whitespace())
        .filter(|meant| known(meant))
        .collect();
    // "Cachorrinha" is nearer to "cachorro" than to "cão".
    let alike = others.iter().find(|other| start(other) == start(word));
    alike.or(others.first()).copied()
}
