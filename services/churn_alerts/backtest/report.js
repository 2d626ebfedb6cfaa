const root=document.documentElement;
if(navigator.language.toLowerCase().startsWith('zh'))root.lang='zh';
document.getElementById('language').onclick=()=>{root.lang=root.lang==='zh'?'en':'zh'};
